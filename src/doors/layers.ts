/**
 * The kinds of linear layer that networks are made of, and their operators.
 *
 * @module phantom-parallel/layers
 */
export { BiasActivation } from '../layers/bias-activation/operator.js';
export { type BlockLayout, blockLayout } from '../layers/block-layout.js';
export { treeSum } from '../layers/block-sum.js';
export { ColumnLinear } from '../layers/column/operator.js';
export { costOf, layerCost, type LayerCost, type PassCost } from '../layers/cost.js';
export { GatherLinear } from '../layers/gather/operator.js';
export { type GhostOperator, type LayerKind, type ShardReader } from '../layers/kind.js';
export type {
  LayerMemory,
  LayerOutline,
  LayerPlace,
  LayerSizes,
  ParameterShape,
  Spread,
} from '../layers/outline.js';
export { KINDS } from '../layers/kinds.js';
export type { KindName } from '../layers/outlines.js';
export type { EndNames, KindChoice } from '../layers/kind-choice.js';
export { kindsOf, type NetworkKinds } from '../layers/network-kinds.js';
export type { LossName, LossOptions } from '../layers/loss-names.js';
export {
  ElementwiseLoss,
  type ElementwiseLossOptions,
  type LossOperator,
  type LossReading,
  SoftmaxCrossEntropy,
} from '../layers/losses.js';
export { paddedBytes } from '../layers/padded-bytes.js';
export { OperationList } from '../layers/operation-list.js';
export { PhantomLinear } from '../layers/phantom/operator.js';
export { RowLinear } from '../layers/row/operator.js';
export { type Strategy, STRATEGY_NAMES } from '../layers/strategies.js';
