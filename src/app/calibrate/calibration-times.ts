import { ratesOf } from '../../analysis/rates.js';
import { rounded } from '../../calibration/clock.js';
import type { CalibrationSizes, StepSize } from '../../calibration/sizes.js';
import type { Machine, MeasuredTimes } from '../../machine/machine.js';
import type { Dtype } from '../../tensor/tensor.js';
import { STRATEGY_NAMES } from '../../layers/strategies.js';
import type { RankCalibration, RankKernels } from './calibration-rank.js';
import { calibrationShapes, fitSteps } from './calibration-steps.js';

/** What measures, and when. */
export function sourceNow(): string {
  return `phantom calibrate, ${new Date().toISOString().slice(0, 10)}, Node ${process.version}`;
}

/** What was measured. */
interface TimesAbout {
  readonly dtype: Dtype;
  /** Networks whose steps were timed. */
  readonly sizes: readonly StepSize[];
  /** What was left out, in words. */
  readonly without: readonly string[];
}

/**
 * A machine with times that its ranks measured at once; where they are in bfloat16, beside those in
 * float32 that it has.
 * @param about what was measured
 */
export function withKernels(
  machine: Omit<Machine, 'compute'> & Partial<Machine>,
  results: readonly RankCalibration[],
  { dtype, sizes, without }: TimesAbout,
): Machine {
  const kernels = results.flatMap((rank) => (rank.kernels ? [rank.kernels] : []));
  const [first] = kernels;
  if (first === undefined) throw new TypeError('no rank measured its kernels');
  const ranks = kernels.length;
  const alone = { factor: 1, perOperationS: 0 };
  const source = `${sourceNow()}${without.length === 0 ? '' : `, without ${without.join(', ')}`}`;
  const times = { ...meanKernels(kernels, first), source, ranks, inStep: alone };
  const unfitted = withTimes(machine, times, dtype);
  const { factor, perOperationS } = fitSteps(
    calibrationShapes(ranks, dtype, sizes),
    first.steps,
    (shape) => ratesOf(unfitted, shape.ranks, 'threads', dtype),
  );
  const inStep = { factor: rounded(factor), perOperationS: rounded(perOperationS) };
  return withTimes(machine, { ...times, inStep }, dtype);
}

function withTimes(
  machine: Omit<Machine, 'compute'> & Partial<Machine>,
  times: MeasuredTimes,
  dtype: Dtype,
): Machine {
  if (dtype === 'float32') return { ...machine, compute: { kind: 'measured', ...times } };
  const { compute } = machine;
  if (compute?.kind !== 'measured')
    throw new TypeError('times in bfloat16 without those in float32');
  return { ...machine, compute: { ...compute, [dtype]: times } };
}

/** Means over ranks, which measured at the same time. */
function meanKernels(
  ranks: readonly RankKernels[],
  { engine, products, passes }: RankKernels,
): Pick<MeasuredTimes, 'engine' | 'products' | 'passes'> {
  const means = (of: (rank: RankKernels) => readonly number[], count: number) =>
    Array.from({ length: count }, (_, i) => mean(ranks.map((rank) => of(rank)[i] ?? Number.NaN)));
  const form = (name: 'NN' | 'NT' | 'TN') =>
    means((rank) => rank.products.seconds[name], products.seconds[name].length);
  return {
    engine,
    products: { ...products, seconds: { NN: form('NN'), NT: form('NT'), TN: form('TN') } },
    passes: Object.fromEntries(
      Object.entries(passes).map(([kernel, times]) => {
        const secondsOf = (rank: RankKernels) =>
          (rank.passes[kernel] ?? []).map(({ seconds }) => seconds);
        const seconds = means(secondsOf, times.length);
        return [kernel, times.map(({ size }, i) => ({ size, seconds: seconds[i] ?? Number.NaN }))];
      }),
    ),
  };
}

/** What was asked for and not measured, in words: a device has no room for it, or takes too long. */
export function leftOut(
  asked: CalibrationSizes,
  { products, passes, steps }: Pick<RankKernels, 'products' | 'passes' | 'steps'>,
): string[] {
  // Every strategy at each size.
  const timed = steps.filter((seconds) => seconds !== null).length / STRATEGY_NAMES.length;
  const of = <T>(what: string, all: readonly T[], count: number, text: (one: T) => string) =>
    count < all.length ? [`${what} of ${all.slice(count).map(text).join(', ')}`] : [];
  const sizes = Object.values(passes)[0] ?? [];
  const square = (size: number) => `${size} × ${size}`;
  return [
    ...of('products', asked.weights, products.first.length, square),
    ...of('passes', asked.passes, sizes.length, (size) => `${size} elements`),
    ...of('steps', asked.steps, timed, ({ width }) => `width ${width}`),
  ];
}

/** To as many digits as a measurement has. */
export function mean(values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0);
  return rounded(sum / values.length);
}
