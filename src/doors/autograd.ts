/** Operators with their gradients, and the tape that records and replays them. */
export { ForwardMemory, ForwardPass } from '../autograd/forward-pass.js';
export {
  checkGradients,
  type GradientCheck,
  type GradientCheckOptions,
} from '../autograd/gradient-check.js';
export {
  FREE,
  type Operator,
  type OperatorContext,
  type OperatorCost,
  type PassCost,
} from '../autograd/operator.js';
export { Parameter, type ParameterSlice, Tape, Variable } from '../autograd/tape.js';
