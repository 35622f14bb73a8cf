/**
 * Operators with their gradients, and the tape that records and replays them.
 *
 * @module phantom-parallel/autograd
 */
export { ForwardMemory, ForwardPass } from '../autograd/forward-pass.js';
export {
  checkGradients,
  type GradientCheck,
  type GradientCheckOptions,
} from '../autograd/gradient-check.js';
export type { Operator, OperatorContext } from '../autograd/operator.js';
export {
  type OperatorRunner,
  Parameter,
  type ParameterOptions,
  Tape,
  Variable,
} from '../autograd/tape.js';
export type { ParameterSlice } from '../tensor/tensor.js';
