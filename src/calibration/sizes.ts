/** Sizes at which kernels are measured; those between are interpolated. */
export interface KernelSizes {
  /** Of a weight matrix, ascending, and of a batch. */
  readonly weights: readonly number[];
  readonly batches: readonly number[];
  /** Elements that a pass goes over. */
  readonly passes: readonly number[];
  /** Of what calls take their operands from in turn: more than caches hold, at least the square of the largest
   * weights, and four times the largest pass. */
  readonly poolElements: number;
}

/** A network whose steps are timed. */
export interface StepSize {
  readonly width: number;
  readonly depth: number;
  readonly columns: number;
}

/** What a calibration measures at. */
export interface CalibrationSizes extends KernelSizes {
  /** Bytes of collectives. */
  readonly collectives: readonly number[];
  readonly steps: readonly StepSize[];
}

const COLLECTIVES = [32, 1024, 16_384, 65_536, 262_144, 1_048_576, 4_194_304] as const;

/** For an engine on a core. */
export const CORE_SIZES: CalibrationSizes = {
  weights: [4, 16, 64, 128, 256, 512, 1024, 2048],
  batches: [1, 8, 32, 64, 128, 256, 512],
  passes: [64, 4096, 65_536, 262_144, 1_048_576, 4_194_304],
  poolElements: 2 ** 24,
  collectives: COLLECTIVES,
  steps: [
    { width: 256, depth: 2, columns: 32 },
    { width: 512, depth: 4, columns: 64 },
    { width: 1024, depth: 2, columns: 128 },
    { width: 2048, depth: 2, columns: 128 },
  ],
};

/** For one on a device. */
export const DEVICE_SIZES: CalibrationSizes = {
  weights: [16, 64, 256, 512, 1024, 2048, 4096, 8192, 16_384],
  batches: [1, 32, 128, 512, 2048],
  passes: [64, 65_536, 1_048_576, 16_777_216],
  poolElements: 2 ** 28,
  collectives: COLLECTIVES,
  steps: [
    { width: 512, depth: 4, columns: 64 },
    { width: 1024, depth: 4, columns: 128 },
    { width: 2048, depth: 4, columns: 128 },
    { width: 4096, depth: 2, columns: 256 },
  ],
};

/** Those that an engine with so much memory has room for, with half of it to spare. */
export function sizesWithin(sizes: CalibrationSizes, bytes: number): CalibrationSizes {
  const elements = bytes / 8;
  const weights = sizes.weights.filter((size, i) => i === 0 || size * size <= elements / 2);
  const passes = sizes.passes.filter((size, i) => i === 0 || 4 * size <= elements / 2);
  const least = Math.max(4 * Math.max(...passes), Math.max(...weights) ** 2);
  const poolElements = Math.max(least, Math.min(sizes.poolElements, Math.floor(elements / 2)));
  // Weights, gradients, moments and a copy of them, of each layer.
  const steps = sizes.steps.filter(
    ({ width, depth }, i) => i === 0 || 6 * depth * width * width <= elements,
  );
  return { ...sizes, weights, passes, poolElements, steps };
}
