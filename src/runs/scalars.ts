import type { Obtained } from '../energy/meter.js';
import type { RunFigures } from './run-data.js';
import type { RunRecord } from './run-record.js';

/** A value by its name in other tools. */
export interface Scalar {
  readonly tag: string;
  readonly value: number;
}

/** Values at a step. */
interface StepScalars {
  readonly step: number;
  readonly elapsedS: number;
  readonly scalars: readonly Scalar[];
}

/** All that a run logged, in the order of its steps; validations have the time of the step before. */
export function loggedScalars({ steps, validations, obtained }: RunRecord): StepScalars[] {
  const all = [
    ...steps.map((step) => ({ ...step, scalars: stepScalars(step, obtained) })),
    ...validations.map((validation) => {
      const elapsedS = steps.findLast(({ step }) => step <= validation.step)?.elapsedS ?? 0;
      return { step: validation.step, elapsedS, scalars: validationScalars(validation) };
    }),
  ];
  return all.toSorted((a, b) => a.step - b.step);
}

/** What a run came to. */
export function resultScalars({ obtained, ...figures }: RunFigures): Scalar[] {
  return known([
    ['result/step_s', figures.stepTimeS],
    ['result/samples_per_s', figures.samplesPerS],
    ['result/parameters', figures.parameters],
    [joules('result/step_J', obtained), figures.perStepJ],
    [joules('result/sample_J', obtained), figures.perSampleJ],
  ]);
}

/** What a step says, of an event or a record of it. */
interface StepValues {
  readonly loss: number;
  readonly accuracy: number | null;
  readonly learningRate: number | null;
  readonly gradientNorm: number | null;
  readonly stepTimeS: number | null;
  readonly samplesPerS: number | null;
  readonly exposedS: number | null;
  readonly dataWaitS: number | null;
  readonly energyJ: number | null;
}

/** What a step says to other tools; joules that are modelled are called so. */
export function stepScalars(step: StepValues, obtained: Obtained): Scalar[] {
  return known([
    ['training/loss', step.loss],
    ['training/accuracy', step.accuracy],
    ['training/gradient_norm', step.gradientNorm],
    ['training/learning_rate', step.learningRate],
    ['time/step_s', step.stepTimeS],
    ['time/samples_per_s', step.samplesPerS],
    ['time/waiting_for_ranks_s', step.exposedS],
    ['time/waiting_for_data_s', step.dataWaitS],
    [joules('energy/run_J', obtained), step.energyJ],
  ]);
}

/** A validation, of an event or a record of it, with the metrics of the task. */
export function validationScalars({
  loss,
  accuracy,
  metrics,
}: {
  readonly loss: number;
  readonly accuracy: number | null;
  readonly metrics: Readonly<Record<string, number | null>>;
}): Scalar[] {
  const others = Object.entries(metrics)
    .filter(([name]) => name !== 'loss' && name !== 'accuracy')
    .map(([name, value]) => [`validation/${name}`, value] as const);
  return known([['validation/loss', loss], ['validation/accuracy', accuracy], ...others]);
}

/** A name of joules. */
function joules(name: string, obtained: Obtained): string {
  return obtained === 'modelled' ? `${name}_modelled` : name;
}

/** Values that are known. */
function known(pairs: readonly (readonly [string, number | null | undefined])[]): Scalar[] {
  return pairs.flatMap(([tag, value]) =>
    value === null || value === undefined ? [] : [{ tag, value }],
  );
}
