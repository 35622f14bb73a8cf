import { ratesOf } from '../../analysis/rates.js';
import { rounded } from '../../calibration/clock.js';
import type { StepSize } from '../../calibration/sizes.js';
import type { Machine, MeasuredTimes } from '../../machine/machine.js';
import type { Dtype } from '../../tensor/tensor.js';
import type { RankCalibration, RankKernels } from './calibration-rank.js';
import { calibrationShapes, fitSteps } from './calibration-steps.js';

/** What measures, and when. */
export function sourceNow(): string {
  return `phantom calibrate, ${new Date().toISOString().slice(0, 10)}, Node ${process.version}`;
}

/**
 * A machine with times that its ranks measured at once; where they are in bfloat16, beside those in
 * float32 that it has.
 * @param about the format, and the networks whose steps were timed
 */
export function withKernels(
  machine: Omit<Machine, 'compute'> & Partial<Machine>,
  results: readonly RankCalibration[],
  { dtype, sizes }: { readonly dtype: Dtype; readonly sizes: readonly StepSize[] },
): Machine {
  const kernels = results.flatMap((rank) => (rank.kernels ? [rank.kernels] : []));
  const [first] = kernels;
  if (first === undefined) throw new TypeError('no rank measured its kernels');
  const ranks = kernels.length;
  const alone = { factor: 1, perOperationS: 0 };
  const times = { ...meanKernels(kernels, first), source: sourceNow(), ranks, inStep: alone };
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

/** To as many digits as a measurement has. */
export function mean(values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0);
  return rounded(sum / values.length);
}
