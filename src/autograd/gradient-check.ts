import { Communicator } from '../communicators/communicator.js';
import { SoloTransport } from '../communicators/solo/solo-transport.js';
import type { Engine } from '../engines/engine.js';
import { randomStream } from '../tensor/random.js';
import { float32 } from '../tensor/tensor.js';
import type { Operator } from './operator.js';
import { Tape } from './tape.js';

/** What gradients are checked on. */
export interface GradientCheckOptions {
  readonly engine: Engine;
  /** Default: a group of one. On more ranks, every rank calls with its own part. */
  readonly communicator?: Communicator;
  /** Whether input i holds the same on every rank, so that it changes everywhere at once. */
  readonly replicatedInputs?: readonly boolean[];
  /** Whether the output is the same on every rank, so that it counts once. */
  readonly replicatedOutput?: boolean;
  /** Values of input i; default: standard normal. */
  readonly values?: readonly (ArrayLike<number> | null)[];
  /** Elements tried in each input. Default 24. */
  readonly samples?: number;
  /** Distance of the two points of a difference quotient. Default 1/64. */
  readonly step?: number;
  readonly seed?: number;
}

/** How far an input's gradient is from the difference quotients of this rank's elements. */
export interface GradientCheck {
  readonly input: number;
  /** Largest |analytic − numeric|, divided by the largest |analytic| of the input (at least 1e-3). */
  readonly error: number;
  readonly element: number;
  readonly analytic: number;
  readonly numeric: number;
}

/**
 * Compares an operator's `backward` with central differences of its `forward`, for the scalar
 * Σ output · r with a fixed random r. In float32 an error of 1e-3 is good, of 1e-2 suspicious;
 * elements at a kink (ReLU at zero) may differ by more.
 *
 * @param shapes of the inputs, on this rank
 * @returns one result per input
 *
 * @example
 * ```ts
 * import { checkGradients, type Operator } from 'phantom-parallel/autograd';
 * import { createEngine } from 'phantom-parallel/engines';
 * import { float32 } from 'phantom-parallel/tensor';
 *
 * const square: Operator = {
 *   name: 'square',
 *   forward(context, x) {
 *     const output = context.buffer('output', ...x.shape);
 *     context.engine.multiply(float32(x), float32(x), output);
 *     return output;
 *   },
 *   backward(context, dOutput) {
 *     const x = float32(context.inputs[0]!);
 *     const dx = context.buffer('dx', ...x.shape);
 *     context.engine.multiply(float32(dOutput), x, dx);
 *     context.engine.scale(2, dx);
 *     context.giveGradient(0, dx);
 *   },
 * };
 * const [check] = checkGradients(square, [[6, 5]], { engine: await createEngine('auto') });
 * console.log(`largest relative error ${check?.error.toExponential(1)}`);
 * ```
 */
export function checkGradients(
  operator: Operator,
  shapes: readonly (readonly number[])[],
  options: GradientCheckOptions,
): GradientCheck[] {
  const { engine, samples = 24, step = 1 / 64, seed = 0 } = options;
  const communicator = options.communicator ?? new Communicator(new SoloTransport());
  const { rank, size } = communicator;
  const tape = new Tape(engine, communicator);
  const inputs = shapes.map((shape) => tape.variable(engine.allocate(shape), true));
  // Operators may use an input as scratch, so every pass starts from these.
  const originals = inputs.map(({ value }, i) => {
    const replicated = options.replicatedInputs?.[i] ?? false;
    const given = options.values?.[i];
    const original = new Float32Array(value.length);
    if (given) original.set(Array.from(given));
    else randomStream(seed, `input ${i} ${replicated ? '' : rank}`).fillNormal(original, 0);
    return original;
  });
  let direction: Float32Array | null = null;

  const forward = () => {
    for (const [i, input] of inputs.entries()) {
      engine.toDevice(originals[i] ?? new Float32Array(), input.value);
    }
    tape.begin();
    return tape.apply(operator, ...inputs);
  };
  const scalar = () => {
    const data = engine.toHost(forward().value);
    const sum = Float64Array.of(0);
    for (const [i, value] of data.entries()) sum[0] = (sum[0] ?? 0) + value * (direction?.[i] ?? 0);
    if (!options.replicatedOutput) communicator.allReduceSum(sum);
    return sum[0] ?? 0;
  };

  const output = forward();
  const dOutput = engine.allocate(output.value.shape);
  const stream = randomStream(seed, `direction ${options.replicatedOutput ? '' : rank}`);
  direction = new Float32Array(dOutput.length);
  stream.fillNormal(direction, 0);
  engine.toDevice(direction, dOutput);
  tape.backward(output, dOutput);
  const gradients = inputs.map(({ gradient, value }) =>
    gradient === null ? new Float32Array(value.length) : engine.toHost(float32(gradient)).slice(),
  );

  return inputs.map((_, i) => {
    const original = originals[i] ?? new Float32Array();
    const gradient = gradients[i] ?? new Float32Array();
    const scale = gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
    let worst: GradientCheck = { input: i, error: 0, element: 0, analytic: 0, numeric: 0 };
    // Every rank takes part in every difference quotient, whoever's element it is about.
    const owners = options.replicatedInputs?.[i] ? 1 : size;
    const tries = Math.min(samples, original.length);
    const choose = randomStream(seed, `elements ${i}`);
    for (let owner = 0; owner < owners; owner++) {
      for (let n = 0; n < tries; n++) {
        const element = Math.floor(choose.uniform(n) * original.length);
        const moves = options.replicatedInputs?.[i] || owner === rank;
        const value = original[element] ?? 0;
        if (moves) original[element] = value + step;
        const above = scalar();
        if (moves) original[element] = value - step;
        const below = scalar();
        original[element] = value;
        if (!moves) continue;
        const numeric = (above - below) / (2 * step);
        const analytic = gradient[element] ?? 0;
        const error = Math.abs(analytic - numeric) / scale;
        if (error > worst.error) worst = { input: i, error, element, analytic, numeric };
      }
    }
    return worst;
  });
}
