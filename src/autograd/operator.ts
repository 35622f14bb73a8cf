import type { Communicator } from '../communicators/communicator.js';
import type { PhaseClock } from '../base/phases.js';
import type { Engine } from '../engines/engine.js';
import type { AnyTensor, Dtype, Tensor } from '../tensor/tensor.js';

/**
 * Which forward pass an operator is in: `no`, the one of a step; where its result is made again for the
 * backward pass, `all` of it; or `saved`: only what `backward` reads of this operator besides its inputs,
 * as nobody reads the result. An operator that looks at none of this does everything again.
 */
export type Again = 'no' | 'all' | 'saved';

/** What one place in a recorded step offers the operator that stands there. */
export interface OperatorContext {
  readonly engine: Engine;
  readonly communicator: Communicator;
  /** Where an operator says what its time goes to; it is in `other` before and after. */
  readonly phases: PhaseClock;
  readonly inputs: readonly AnyTensor[];
  /** What `forward` returned. */
  readonly output: AnyTensor;
  readonly again: Again;

  /**
   * Whatever the operator sets up once for this place (saved tensors, views): `make` runs at
   * the first call, later calls return its result. This is where memory is allocated, so that
   * steps after the first allocate none.
   */
  plan<Plan>(make: () => Plan): Plan;
  /** The tensor of this name, saved from step to step; allocated at the first call. */
  buffer(name: string, ...shape: number[]): Tensor;
  /** The same, of this dtype. */
  bufferOf(dtype: 'bfloat16', name: string, ...shape: number[]): Tensor<'bfloat16'>;
  bufferOf(dtype: Dtype, name: string, ...shape: number[]): AnyTensor;

  /** The same, there until the backward pass where others are made again: what `again` leaves out. */
  keptBuffer(dtype: Dtype, name: string, ...shape: number[]): AnyTensor;

  /** Whether anybody needs the gradient of input i. */
  needsGradient(input: number): boolean;
  /** Where the gradient of input i is summed, or null when nobody needs it. */
  gradient(input: number): Tensor | null;
  /** The factor on what `gradient(i)` holds: 0 for the first write of a pass, then 1. Ask
   * exactly once for each write. */
  gradientBeta(input: number): 0 | 1;
  /** Makes `gradient` (a saved tensor of this operator) the gradient of input i, without a copy
   * where it is the only part of it. */
  giveGradient(input: number, gradient: AnyTensor): void;
}

/**
 * A differentiable function of tensors. `forward` returns its result in a saved tensor; `backward`
 * adds to the gradients of the inputs that need one. On several ranks every rank calls both in the
 * same order, and collectives inside are part of the function.
 */
export interface Operator {
  readonly name: string;
  /**
   * Computes the result from the inputs.
   *
   * @returns it, in a tensor that this place saves and the next pass overwrites
   */
  forward(context: OperatorContext, ...inputs: AnyTensor[]): AnyTensor;
  /**
   * Adds to the gradients of the inputs.
   *
   * @param dOutput gradient of what `forward` returned, of its shape
   */
  backward(context: OperatorContext, dOutput: AnyTensor): void;
}
