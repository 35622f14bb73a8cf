import { median } from '../base/median.js';
import { type CollectiveName, COLLECTIVES, hiddenShare, type KnownTimes } from './overlap.js';
import type { WorkMeters } from './work-meters.js';

/** Steps whose times the overall median looks back on. */
const WINDOW = 4096;

/**
 * Steps before those that figures are about, which are called steady: the first steps allocate, and
 * code is compiled. Of a short run half.
 *
 * @param steps of the run
 */
export function warmUpSteps(steps: number): number {
  return Math.min(10, Math.floor(steps / 2));
}

/** Times and counts of steps, over the interval between two log lines and over all steady steps. */
export class StepTimes {
  readonly #meters: WorkMeters;
  readonly #interval: Float64Array;
  readonly #recent = new Float64Array(WINDOW);
  readonly #warmUp: number;
  #steps = 0;
  #intervalSteps = 0;
  readonly #overall = { stepS: 0, waitS: 0, postedS: 0, exposedS: 0 };
  #beganMs = 0;
  #before = { flops: 0, sentBytes: 0, receivedBytes: 0, exposedS: 0 };
  #sums = { flops: 0, sentBytes: 0, receivedBytes: 0, exposedS: 0, dataWaitS: 0 };

  /** Posted and exposed seconds of each collective: at the step's begin, and summed. */
  readonly #postedBefore = new Float64Array(COLLECTIVES.length);
  readonly #exposedBefore = new Float64Array(COLLECTIVES.length);
  readonly #posted = new Float64Array(COLLECTIVES.length);
  readonly #exposed = new Float64Array(COLLECTIVES.length);

  /**
   * @param intervalSteps most steps between two calls of `takeInterval`
   * @param warmUp steps before the steady ones
   */
  constructor(intervalSteps: number, meters: WorkMeters, warmUp: number) {
    this.#meters = meters;
    this.#warmUp = warmUp;
    this.#interval = new Float64Array(intervalSteps);
  }

  begin(): void {
    const meters = this.#meters;
    this.#before.flops = meters.flops();
    this.#before.sentBytes = meters.sentBytes();
    this.#before.receivedBytes = meters.receivedBytes();
    this.#before.exposedS = meters.exposedS();
    for (const [i, name] of COLLECTIVES.entries()) {
      this.#postedBefore[i] = meters.collectives[name].postedS;
      this.#exposedBefore[i] = meters.collectives[name].exposedS;
    }
    this.#beganMs = performance.now();
  }

  end(dataWaitS: number): void {
    const elapsedS = (performance.now() - this.#beganMs) / 1000;
    this.#interval[this.#intervalSteps++ % this.#interval.length] = elapsedS;
    this.#steps++;
    const settled = this.steadySteps > 0;
    if (settled) this.#recent[(this.steadySteps - 1) % WINDOW] = elapsedS;
    const [sums, before, meters] = [this.#sums, this.#before, this.#meters];
    sums.flops += meters.flops() - before.flops;
    sums.sentBytes += meters.sentBytes() - before.sentBytes;
    sums.receivedBytes += meters.receivedBytes() - before.receivedBytes;
    sums.exposedS += meters.exposedS() - before.exposedS;
    sums.dataWaitS += dataWaitS;
    if (settled) {
      this.#overall.stepS += elapsedS;
      this.#overall.waitS += meters.exposedS() - before.exposedS;
    }
    for (const [i, name] of COLLECTIVES.entries()) {
      const { postedS, exposedS } = meters.collectives[name];
      const [posted, exposed] = [
        postedS - (this.#postedBefore[i] ?? 0),
        exposedS - (this.#exposedBefore[i] ?? 0),
      ];
      this.#posted[i] = (this.#posted[i] ?? 0) + posted;
      this.#exposed[i] = (this.#exposed[i] ?? 0) + exposed;
      if (settled && name !== 'agreement') {
        this.#overall.postedS += posted;
        this.#overall.exposedS += exposed;
      }
    }
  }

  /** Means a step, and the median time, since the last call. */
  takeInterval() {
    const steps = Math.max(1, this.#intervalSteps);
    const { flops, sentBytes, receivedBytes, exposedS, dataWaitS } = this.#sums;
    const filled = Math.min(steps, this.#interval.length);
    const known = (postedS: number): number | null => (this.#meters.besideWork ? postedS : null);
    const times = (i: number): KnownTimes => ({
      postedS: known((this.#posted[i] ?? 0) / steps),
      exposedS: (this.#exposed[i] ?? 0) / steps,
    });
    const collectives = Object.fromEntries(
      COLLECTIVES.map((name, i) => [name, times(i)]),
    ) as Record<CollectiveName, KnownTimes>;
    const { agreement: _own, ...ofNetwork } = collectives;
    const network = Object.values(ofNetwork);
    const interval = {
      collectives,
      communication: {
        postedS: known(network.reduce((sum, { postedS }) => sum + (postedS ?? 0), 0)),
        exposedS: network.reduce((sum, part) => sum + part.exposedS, 0),
      },
      medianS: median(this.#interval.subarray(0, filled)) ?? 0,
      flops: flops / steps,
      sentBytes: sentBytes / steps,
      receivedBytes: receivedBytes / steps,
      exposedS: exposedS / steps,
      dataWaitS: dataWaitS / steps,
    };
    this.#intervalSteps = 0;
    this.#posted.fill(0);
    this.#exposed.fill(0);
    this.#sums = { flops: 0, sentBytes: 0, receivedBytes: 0, exposedS: 0, dataWaitS: 0 };
    return interval;
  }

  get steadySteps(): number {
    return Math.max(0, this.#steps - this.#warmUp);
  }

  /** Over the steady steps. */
  overallOverlap(): { exposedShare: number | null; hiddenShare: number | null } {
    const { stepS, waitS, postedS, exposedS } = this.#overall;
    if (stepS === 0) return { exposedShare: null, hiddenShare: null };
    const times = { postedS: this.#meters.besideWork ? postedS : null, exposedS };
    return { exposedShare: waitS / stepS, hiddenShare: hiddenShare(times) };
  }

  /** Of the steady steps, the newest where they are many. */
  overallMedianS(): number | null {
    return median(this.#recent.subarray(0, Math.min(this.steadySteps, WINDOW)));
  }
}
