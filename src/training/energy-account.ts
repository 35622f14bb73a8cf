import type { Communicator } from '../communicators/communicator.js';
import { threadCpuS } from '../energy/cpu-time.js';
import type { EnergyMeter, Obtained } from '../energy/meter.js';
import { modelledW, type PowerConstants } from '../energy/modelled.js';
import { PHASE, type PhaseClock, PHASES } from '../base/phases.js';
import { type EmissionFactors, runEnergy, type RunEnergy } from '../energy/run-energy.js';

/** What a rank has to account for its energy with. */
export interface EnergyParts {
  /** null: another rank of this machine meters it. */
  readonly meter: EnergyMeter | null;
  readonly phases: PhaseClock;
  /** Shares the energy out among phases and ranks; null: nothing is known to do it with. */
  readonly power: PowerConstants | null;
}

const WINDOW = 'run';
const WAITING: readonly number[] = [PHASE.waiting, PHASE.data];
/** From the most direct to none; ranks agree on the worst. */
const WAYS: readonly Obtained[] = ['counter', 'integrated', 'modelled', 'unavailable'];

/** What a rank has used by a moment of the run. */
interface Moment {
  readonly atS: number;
  readonly timesS: readonly number[];
  readonly cpuS: number | null;
  /** null: not known. */
  readonly energyJ: number | null;
}

/** What a rank uses in steady steps, or in all of the run. */
interface Usage {
  elapsedS: number;
  readonly timesS: number[];
  cpuS: number | null;
  energyJ: number | null;
}

/**
 * The energy of a run, from its construction to `end`: one rank of each machine meters, all add up.
 * Steady steps are accounted for apart from the rest: start-up, validations, checkpoints. Every rank
 * calls the same methods.
 */
export class EnergyAccount {
  readonly #parts: EnergyParts;
  readonly #control: Communicator;
  readonly #began: Moment;
  /** Set while steps are steady. */
  #steadySince: Moment | null = null;
  readonly #steady: Usage = { elapsedS: 0, timesS: PHASES.map(() => 0), cpuS: 0, energyJ: 0 };
  /** Ranks that meter. */
  readonly #meters: number;
  readonly #sum = new Float64Array(2);

  constructor(parts: EnergyParts, control: Communicator) {
    this.#parts = parts;
    this.#control = control;
    parts.phases.reset();
    parts.meter?.begin(WINDOW);
    this.#began = this.#now();
    const counts = Float64Array.of(parts.meter === null ? 0 : 1);
    control.allReduceSum(counts);
    this.#meters = counts[0] ?? 0;
  }

  /** To be called at every step. */
  tick(): void {
    this.#parts.meter?.sample();
  }

  /** Whether what follows is steady steps, or something else; what it was already changes nothing. */
  setSteady(steady: boolean): void {
    const since = this.#steadySince;
    if (steady === (since !== null)) return;
    const now = this.#now();
    this.#steadySince = steady ? now : null;
    if (since !== null) add(this.#steady, since, now);
  }

  /** Joules so far, of all machines; right on rank 0, null where it is unknown. */
  readJ(): number | null {
    const energyJ = this.#parts.meter?.read().energyJ;
    if (this.#meters === 1) return energyJ ?? null;
    this.#sum[0] = energyJ ?? 0;
    this.#sum[1] = energyJ === null ? 1 : 0;
    this.#control.allReduceSum(this.#sum);
    return this.#meters === 0 || this.#sum[1] !== 0 ? null : this.#sum[0];
  }

  /**
   * Closes the account.
   *
   * @param steps steady ones of this run, with so many samples in all
   * @returns the energy, right on rank 0, and what went wrong with this rank's meter
   */
  end(
    steps: number,
    samples: number,
    factors: EmissionFactors,
  ): { energy: RunEnergy; problem: string | null } {
    const { meter } = this.#parts;
    const { size, rank } = this.#control;
    this.setSteady(false);
    const all: Usage = { elapsedS: 0, timesS: PHASES.map(() => 0), cpuS: 0, energyJ: 0 };
    add(all, this.#began, this.#now());
    const { elapsedS } = all;
    const weights = this.#weights(this.#steady);
    const reading = meter?.end(WINDOW);

    const count = PHASES.length;
    const [waysAt, weightsAt] = [4, 4 + WAYS.length];
    const [ranksAt, timesAt] = [weightsAt + count, weightsAt + count + size];
    const sums = new Float64Array(timesAt + size * count);
    sums[0] = reading?.energyJ ?? 0;
    sums[1] = meter === null ? 0 : (this.#steady.energyJ ?? Number.NaN);
    sums[2] = reading?.gpuJ ?? 0;
    sums[3] = (reading?.gpuJ ?? null) === null ? 0 : 1;
    if (reading !== undefined) sums[waysAt + WAYS.indexOf(reading.obtained)] = 1;
    sums.set(weights, weightsAt);
    sums[ranksAt + rank] = this.#weights(all).reduce((sum, weight) => sum + weight, 0);
    sums.set(this.#steady.timesS, timesAt + rank * count);
    this.#control.allReduceSum(sums);

    const worst = WAYS.findLastIndex((_, i) => (sums[waysAt + i] ?? 0) > 0);
    const obtained = WAYS[worst] ?? 'unavailable';
    const hosts = this.#meters > 1 ? `; the sum of ${this.#meters} meters` : '';
    const energy = runEnergy({
      meter: meter?.name ?? 'none',
      description: (meter?.description ?? '') + hosts,
      obtained,
      energyJ: obtained === 'unavailable' ? null : (sums[0] ?? null),
      gpuJ: sums[3] === 0 ? null : (sums[2] ?? null),
      steadyJ: positive(sums[1]),
      elapsedS,
      steps,
      samples,
      ...factors,
      rankTimesS: Array.from({ length: size }, (_, i) => [
        ...sums.subarray(timesAt + i * count, timesAt + (i + 1) * count),
      ]),
      phaseWeights: [...sums.subarray(weightsAt, ranksAt)],
      rankWeights: [...sums.subarray(ranksAt, timesAt)],
    });
    return { energy, problem: reading?.problem ?? null };
  }

  #now(): Moment {
    const { meter, phases } = this.#parts;
    // First, as it may wait for a device: what was called before takes time and energy before this moment.
    const timesS = phases.timesS();
    const reading = meter?.read();
    // A counter that has not moved yet is no unknown one.
    const isKnown = reading !== undefined && reading.problem === null;
    return {
      atS: performance.now() / 1000,
      timesS,
      cpuS: threadCpuS(),
      energyJ: reading?.energyJ ?? (isKnown && meter?.obtained !== 'unavailable' ? 0 : null),
    };
  }

  /**
   * How much of the energy each phase of this rank is given, in modelled joules. The thread's CPU
   * time goes to the phases that compute; what is left of it was spent waiting actively.
   */
  #weights({ timesS, elapsedS, cpuS: spentS }: Usage): number[] {
    const { power } = this.#parts;
    if (power === null) return timesS.map(() => 0);
    const waitingS = WAITING.reduce((sum, phase) => sum + (timesS[phase] ?? 0), 0);
    const workingS = Math.max(0, elapsedS - waitingS);
    const cpuS = spentS ?? workingS;
    const share = (busyS: number, timeS: number) => (timeS > 0 ? Math.min(1, busyS / timeS) : 0);
    const working = share(cpuS, workingS);
    const waiting = share(Math.max(0, cpuS - workingS), waitingS);
    return timesS.map(
      (timeS, phase) => timeS * modelledW(power, WAITING.includes(phase) ? waiting : working),
    );
  }
}

function add(usage: Usage, from: Moment, to: Moment): void {
  const difference = (a: number | null, b: number | null) =>
    a === null || b === null ? null : b - a;
  const plus = (sum: number | null, part: number | null) =>
    sum === null || part === null ? null : sum + part;
  usage.elapsedS += to.atS - from.atS;
  for (const [i, timeS] of to.timesS.entries()) {
    usage.timesS[i] = (usage.timesS[i] ?? 0) + timeS - (from.timesS[i] ?? 0);
  }
  usage.cpuS = plus(usage.cpuS, difference(from.cpuS, to.cpuS));
  usage.energyJ = plus(usage.energyJ, difference(from.energyJ, to.energyJ));
}

/** Nothing counted is not known, rather than zero. */
function positive(value: number | undefined): number | null {
  return value !== undefined && value > 0 ? value : null;
}
