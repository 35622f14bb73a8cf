import type { Parameter } from '../autograd/tape.js';
import type { Engine, Slots, UpdateOperands } from '../engines/engine.js';
import type { Tensor } from '../tensor/tensor.js';

/** Constants of an optimizer; each uses some of them. */
export interface OptimizerConstants {
  readonly weightDecay: number;
  /** Of `momentum`, which is Nesterov's form. */
  readonly momentum: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

/** A tensor that an optimizer keeps for a parameter, under the name that a checkpoint gives it. */
export interface OptimizerState {
  readonly name: string;
  readonly parameter: Parameter;
  readonly tensor: Tensor;
}

/** What is the same for all parameters in one step. */
export interface UpdateStep {
  /** Counted from 1 (bias correction). */
  readonly step: number;
  readonly learningRate: number;
  /** Factor on every gradient (clipping). */
  readonly gradientScale: number;
}

/** Updates every parameter in one pass over it: slots[i] = Σ gradient² of the one at i, before scaling.
 * The list is the same in every step. */
export type Update = (step: UpdateStep, tensors: readonly UpdateOperands[], slots: Slots) => void;

export interface OptimizerDescription {
  /** Tensors that it keeps for each parameter, by the names in checkpoints. */
  readonly states: readonly string[];
  /** Arithmetic operations on one element: what its equation has, square root and division counted
   * as one each, without weight decay unless that is the equation's own. */
  readonly updateFlops: number;
  readonly create: (constants: OptimizerConstants, engine: Engine) => Update;
}
