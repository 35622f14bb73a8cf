import type { Obtained } from '../../energy/meter.js';
import type { EndEvent, StartEvent, TrainingEvent } from '../../training/events.js';

/** What one run of a comparison came to; unknown is null. */
export interface Outcome {
  readonly contestant: string;
  readonly rate: number;
  readonly seed: number;
  /** The validation loss that the run was to end at; null: fixed steps. */
  readonly target: number | null;
  /** Why it ended early, as a loss that is not finite; null: it did not. */
  readonly failure: string | null;
  readonly steps: number;
  readonly validationLoss: number | null;
  readonly validationAccuracy: number | null;
  /** Validations on the way, as step and loss. */
  readonly validations: readonly (readonly [step: number, loss: number])[];
  readonly stepTimeS: number | null;
  /** Of a steady step. */
  readonly stepEnergyJ: number | null;
  readonly energyObtained: Obtained;
  readonly meter: string;
  readonly parameters: number;
  /** Of one rank in a step. */
  readonly flopsPerStep: number;
  readonly receivedBytesPerStep: number;
  readonly exposedShare: number | null;
  readonly hiddenShare: number | null;
  readonly elapsedS: number;
  readonly engine: string;
  readonly runFolder: string;
}

/** Collects a run's events; `outcome` is to be asked when the run has ended. */
export class OutcomeCollector {
  #start: StartEvent | null = null;
  readonly #validations: [number, number][] = [];
  #step = 0;

  onEvent(event: TrainingEvent): void {
    if (event.type === 'start') this.#start = event;
    if (event.type === 'validation') this.#validations.push([event.step, event.loss]);
    if (event.type === 'step') this.#step = event.step;
  }

  /** @param end null when the run failed */
  outcome(
    key: Pick<Outcome, 'contestant' | 'rate' | 'seed' | 'target'>,
    end: EndEvent | null,
    failure: string | null,
  ): Outcome {
    const start = this.#start;
    if (start === null) throw new TypeError('a run ended that had not started');
    const stepEnergyJ = end?.energy.perStepJ ?? null;
    return {
      ...key,
      failure,
      steps: end?.step ?? this.#step,
      validationLoss: end?.validationLoss ?? null,
      validationAccuracy: end?.validationAccuracy ?? null,
      validations: this.#validations,
      stepTimeS: end?.medianStepTimeS ?? null,
      stepEnergyJ,
      energyObtained: stepEnergyJ === null ? 'unavailable' : start.energyObtained,
      meter: start.meterDescription,
      parameters: start.parameters,
      flopsPerStep: start.flopsPerStep,
      receivedBytesPerStep: start.receivedBytesPerStep,
      exposedShare: end?.exposedShare ?? null,
      hiddenShare: end?.hiddenShare ?? null,
      elapsedS: end?.elapsedS ?? 0,
      engine: start.engineDescription,
      runFolder: start.runFolder,
    };
  }
}

/** The step of the first validation whose loss is at most `target`; null: none was. */
export function stepsTo(target: number, { validations }: Outcome): number | null {
  return validations.find(([, loss]) => loss <= target)?.[0] ?? null;
}

/** A number of an outcome; null where it is not known. */
export type Reading = (outcome: Outcome) => number | null;

/** What reaching a loss took: steps to the first validation at or below it, and these times the time
 * and energy of a step. */
export function costsTo(target: number): Readonly<Record<'steps' | 'timeS' | 'energyJ', Reading>> {
  const steps: Reading = (one) => stepsTo(target, one);
  const times =
    (perStep: Reading): Reading =>
    (one) => {
      const [count, each] = [steps(one), perStep(one)];
      return count === null || each === null ? null : count * each;
    };
  return {
    steps,
    timeS: times((one) => one.stepTimeS),
    energyJ: times((one) => one.stepEnergyJ),
  };
}
