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

/**
 * The energy of a run, from `begin` to `end`: one rank of each machine meters, all add up. Every
 * rank calls the same methods.
 */
export class EnergyAccount {
  readonly #parts: EnergyParts;
  readonly #control: Communicator;
  readonly #beganS = performance.now() / 1000;
  readonly #beganCpuS = threadCpuS();
  /** Ranks that meter. */
  readonly #meters: number;
  readonly #sum = new Float64Array(2);

  constructor(parts: EnergyParts, control: Communicator) {
    this.#parts = parts;
    this.#control = control;
    parts.meter?.begin(WINDOW);
    parts.phases.reset();
    const counts = Float64Array.of(parts.meter === null ? 0 : 1);
    control.allReduceSum(counts);
    this.#meters = counts[0] ?? 0;
  }

  /** To be called at every step. */
  tick(): void {
    this.#parts.meter?.sample();
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
   * @param steps of this run, with so many samples in all
   * @returns the energy, right on rank 0, and what went wrong with this rank's meter
   */
  end(
    steps: number,
    samples: number,
    factors: EmissionFactors,
  ): { energy: RunEnergy; problem: string | null } {
    const { meter, phases } = this.#parts;
    const { size, rank } = this.#control;
    const elapsedS = performance.now() / 1000 - this.#beganS;
    const timesS = phases.timesS();
    const weights = this.#weights(timesS, elapsedS);
    const reading = meter?.end(WINDOW);

    const count = PHASES.length;
    const sums = new Float64Array(1 + WAYS.length + 2 * count + size);
    const [waysAt, timesAt] = [1, 1 + WAYS.length];
    const [weightsAt, ranksAt] = [timesAt + count, timesAt + 2 * count];
    sums[0] = reading?.energyJ ?? 0;
    if (reading !== undefined) sums[waysAt + WAYS.indexOf(reading.obtained)] = 1;
    sums.set(timesS, timesAt);
    sums.set(weights, weightsAt);
    sums[ranksAt + rank] = weights.reduce((sum, weight) => sum + weight, 0);
    this.#control.allReduceSum(sums);

    const worst = WAYS.findLastIndex((_, i) => (sums[waysAt + i] ?? 0) > 0);
    const obtained = WAYS[worst] ?? 'unavailable';
    const hosts = this.#meters > 1 ? `; the sum of ${this.#meters} meters` : '';
    const energy = runEnergy({
      meter: meter?.name ?? 'none',
      description: (meter?.description ?? '') + hosts,
      obtained,
      energyJ: obtained === 'unavailable' ? null : (sums[0] ?? null),
      elapsedS,
      steps,
      samples,
      ...factors,
      phaseTimesS: [...sums.subarray(timesAt, weightsAt)],
      phaseWeights: [...sums.subarray(weightsAt, ranksAt)],
      rankWeights: [...sums.subarray(ranksAt)],
    });
    return { energy, problem: reading?.problem ?? null };
  }

  /**
   * How much of the energy each phase of this rank is given, in modelled joules. The thread's CPU
   * time goes to the phases that compute; what is left of it was spent waiting actively.
   */
  #weights(timesS: readonly number[], elapsedS: number): number[] {
    const { power } = this.#parts;
    if (power === null) return timesS.map(() => 0);
    const waitingS = WAITING.reduce((sum, phase) => sum + (timesS[phase] ?? 0), 0);
    const workingS = Math.max(0, elapsedS - waitingS);
    const nowS = threadCpuS();
    const cpuS = nowS === null || this.#beganCpuS === null ? workingS : nowS - this.#beganCpuS;
    const share = (busyS: number, timeS: number) => (timeS > 0 ? Math.min(1, busyS / timeS) : 0);
    const working = share(cpuS, workingS);
    const waiting = share(Math.max(0, cpuS - workingS), waitingS);
    return timesS.map(
      (timeS, phase) => timeS * modelledW(power, WAITING.includes(phase) ? waiting : working),
    );
  }
}
