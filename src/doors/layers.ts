/** The operators that networks are made of. */
export { BiasActivation } from '../layers/bias-activation.js';
export { type BlockLayout, blockLayout } from '../layers/block-layout.js';
export { treeSum } from '../layers/block-sum.js';
export { ColumnLinear } from '../layers/column/operator.js';
export { GatherLinear } from '../layers/gather/operator.js';
export {
  type LossOperator,
  type LossReading,
  SoftmaxCrossEntropy,
  SquaredError,
} from '../layers/losses.js';
export { PhantomLinear } from '../layers/phantom/operator.js';
export { RowLinear } from '../layers/row/operator.js';
