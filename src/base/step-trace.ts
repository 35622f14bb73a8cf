/** What a rank does in a step, as a timeline shows it; computing is of a pass, or `other`. */
export const ACTIVITIES = ['forward', 'backward', 'waiting', 'optimizer', 'data', 'other'] as const;
export type Activity = (typeof ACTIVITIES)[number];

/** Numbers of activities, in the order of `ACTIVITIES`. */
export const ACTIVITY: Readonly<Record<Activity, number>> = {
  forward: 0,
  backward: 1,
  waiting: 2,
  optimizer: 3,
  data: 4,
  other: 5,
};

/** A time in which a rank did one thing, from the end of the segment before, or from zero. */
export interface Segment {
  readonly activity: number;
  /** Whether communication was under way beside it: hidden. */
  readonly hides: boolean;
  /** Milliseconds. */
  readonly end: number;
}

const CAPACITY = 4096;
/** What is left of a full trace. */
const SHORTENED = CAPACITY / 4;

/** What a rank did in one step, in order. Memory is taken once. */
export class StepTrace {
  readonly #activities = new Uint8Array(CAPACITY);
  readonly #hides = new Uint8Array(CAPACITY);
  readonly #ends = new Float64Array(CAPACITY);
  #count = 0;
  #beganMs = 0;

  begin(nowMs: number): void {
    this.#count = 0;
    this.#beganMs = nowMs;
  }

  /** Adds what was done since the last call. Waiting hides nothing. */
  add(activity: number, underWay: boolean, nowMs: number): void {
    const hides = underWay && activity !== ACTIVITY.waiting ? 1 : 0;
    const last = this.#count - 1;
    const isSame = last >= 0 && this.#activities[last] === activity && this.#hides[last] === hides;
    if (!isSame && this.#count === CAPACITY) this.#shorten();
    const at = isSame ? last : this.#count++;
    this.#activities[at] = activity;
    this.#hides[at] = hides;
    this.#ends[at] = nowMs - this.#beganMs;
  }

  /** At most so many segments, at least 16: see `atMost`. */
  segments(most: number): Segment[] {
    const all = Array.from({ length: this.#count }, (_, i): Segment => ({
      activity: this.#activities[i] ?? 0,
      hides: this.#hides[i] === 1,
      end: this.#ends[i] ?? 0,
    }));
    return atMost(all, most);
  }

  #shorten(): void {
    const kept = this.segments(SHORTENED);
    for (const [i, { activity, hides, end }] of kept.entries()) {
      this.#activities[i] = activity;
      this.#hides[i] = hides ? 1 : 0;
      this.#ends[i] = end;
    }
    this.#count = kept.length;
  }
}

/** At most so many segments: where there are more, what is alike within a short time stands together, in
 * windows that are as short as can be. The sum of each activity, and of what it hides, stays. */
export function atMost(segments: readonly Segment[], most: number): Segment[] {
  let kept = [...segments];
  for (let windows = most; kept.length > most; windows = Math.max(1, Math.floor(windows / 2))) {
    kept = inWindows(segments, windows);
  }
  return kept;
}

function inWindows(segments: readonly Segment[], windows: number): Segment[] {
  const total = segments.at(-1)?.end ?? 0;
  const kept: Segment[] = [];
  /** Lengths in this window, in the order in which their kinds came. */
  const lengths = new Map<string, { segment: Segment; length: number }>();
  let [at, began, window] = [0, 0, 1];
  const close = () => {
    for (const { segment, length } of lengths.values()) {
      began += length;
      const last = kept.at(-1);
      const isSame = last?.activity === segment.activity && last.hides === segment.hides;
      if (isSame) kept.pop();
      kept.push({ ...segment, end: began });
    }
    lengths.clear();
  };
  for (const segment of segments) {
    while (at < segment.end) {
      const border = window === windows ? total : (total * window) / windows;
      const until = Math.min(border, segment.end);
      const key = `${segment.activity} ${segment.hides}`;
      const length = (lengths.get(key)?.length ?? 0) + until - at;
      lengths.set(key, { segment, length });
      at = until;
      if (at >= border && window < windows) {
        close();
        began = border;
        window++;
      }
    }
  }
  close();
  return kept;
}
