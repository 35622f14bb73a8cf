/**
 * Tensors in an engine's memory, and random numbers.
 *
 * @module phantom-parallel/tensor
 */
export { GHOST_PRECISIONS, type GhostPrecision } from '../tensor/precision.js';
export type { PeerCopies, PeerPlace } from '../tensor/peer-copies.js';
export type { RegionCopies, PendingCopy } from '../tensor/region-copies.js';
export { type RandomStream, randomStream } from '../tensor/random.js';
export {
  type AnyTensor,
  asMatrix,
  type Dtype,
  type ElementType,
  DTYPES,
  float32,
  type HostArrays,
  type HostRegion,
  type HostTensor,
  hostView,
  type Matrix,
  matrixColumns,
  matrixRows,
  type Region,
  type Tensor,
  tensorPart,
  tensorRows,
} from '../tensor/tensor.js';
export type { EncodedPrecision } from '../tensor/precision.js';
export type { Bytes } from '../tensor/tensor.js';
