import type { PhaseClock } from '../base/phases.js';
import {
  ACTIVITIES,
  ACTIVITY,
  type Activity,
  type Segment,
  StepTrace,
} from '../base/step-trace.js';
import type { Communicator } from '../communicators/communicator.js';

/** What one rank did in one step. Each list is start, end, start, end, … in microseconds since the step
 * began; those of activities fill the step without overlap. `hiddenUs`: communication was under way while
 * the rank did something else than wait. */
export type RankTimeline = Readonly<Record<`${Activity | 'hidden'}Us`, readonly number[]>> & {
  readonly rank: number;
};

/** Ranks that are recorded: of more, those that waited least. */
export const TIMELINE_RANKS = 16;
/** Segments of all ranks together, and of one. */
const MOST_SEGMENTS = 640;
export const SEGMENTS_OF_RANK = 160;
/** Logged steps between two that are recorded, after the first ones. */
const EVERY = 64;

/** Records what ranks do in one logged steady step now and then. Every rank calls the same methods. */
export class StepTimeline {
  readonly #phases: PhaseClock;
  readonly #control: Communicator;
  readonly #trace = new StepTrace();
  readonly #most: number;
  /** For each recorded rank the number of segments, and of each what it is and its end. */
  readonly #gathered: Float64Array;
  #logged = 0;

  constructor(phases: PhaseClock, control: Communicator) {
    const ranks = Math.min(control.size, TIMELINE_RANKS);
    this.#phases = phases;
    this.#control = control;
    this.#most = Math.min(SEGMENTS_OF_RANK, Math.floor(MOST_SEGMENTS / ranks));
    this.#gathered = new Float64Array(ranks * (1 + 2 * this.#most));
  }

  /** Begins to record, where it is the 1st, 2nd, 4th … or a 64th logged steady step; to be called before each of
   * them. Ranks begin together: their times have the same zero.
   * @returns whether this step is recorded */
  begin(): boolean {
    const count = ++this.#logged;
    const isPower = (count & (count - 1)) === 0;
    if (!isPower && count % EVERY !== 0) return false;
    if (this.#control.size > 1) {
      // Also on a device, whose earlier work is waited for by this.
      this.#phases.timesS();
      this.#control.barrier();
    }
    this.#phases.traceTo(this.#trace);
    return true;
  }

  end(): void {
    this.#phases.traceTo(null);
  }

  /** What was recorded, the same on every rank. @param waitingS of every rank */
  gather(waitingS: readonly number[]): RankTimeline[] {
    const { rank, size } = this.#control;
    const shown = waitingS
      .map((timeS, each) => ({ timeS, each }))
      .toSorted((a, b) => a.timeS - b.timeS)
      .slice(0, TIMELINE_RANKS)
      .map(({ each }) => each)
      .toSorted((a, b) => a - b);
    const gathered = this.#gathered;
    const stride = 1 + 2 * this.#most;
    gathered.fill(0);
    const place = shown.indexOf(rank);
    if (place >= 0) write(this.#trace.segments(this.#most), gathered, place * stride);
    if (size > 1) this.#control.allReduceSum(gathered);
    return shown.map((each, i) => read(gathered, i * stride, each));
  }
}

function write(segments: readonly Segment[], to: Float64Array, at: number): void {
  to[at] = segments.length;
  for (const [i, { activity, hides, end }] of segments.entries()) {
    to[at + 1 + 2 * i] = activity + (hides ? ACTIVITIES.length : 0);
    to[at + 2 + 2 * i] = Math.round(end * 1e4) / 10;
  }
}

function read(from: Float64Array, at: number, rank: number): RankTimeline {
  const lists = ACTIVITIES.map((): number[] => []);
  const hidden: number[] = [];
  let began = 0;
  for (let i = 0; i < (from[at] ?? 0); i++) {
    const kind = from[at + 1 + 2 * i] ?? 0;
    const end = from[at + 2 + 2 * i] ?? 0;
    if (end > began) {
      lengthen(lists[kind % ACTIVITIES.length] ?? [], began, end);
      if (kind >= ACTIVITIES.length) lengthen(hidden, began, end);
    }
    began = end;
  }
  const of = (activity: Activity) => lists[ACTIVITY[activity]] ?? [];
  return {
    rank,
    forwardUs: of('forward'),
    backwardUs: of('backward'),
    waitingUs: of('waiting'),
    optimizerUs: of('optimizer'),
    dataUs: of('data'),
    otherUs: of('other'),
    hiddenUs: hidden,
  };
}

/** What follows at once is one interval with what was before. */
function lengthen(list: number[], began: number, end: number): void {
  if (list.at(-1) === began) list.pop();
  else list.push(began);
  list.push(end);
}
