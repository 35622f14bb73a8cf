import type { Operator } from '../autograd/operator.js';
import type { HostEngine } from '../engines/host-engine.js';
import type { HostTensor } from '../tensor/tensor.js';
import type { BlockLayout } from './block-layout.js';
import type { LayerOutline, LayerSizes } from './outline.js';

/** Stored tensors of a layer, and memory to put them together. */
export interface ShardReader {
  readonly engine: HostEngine;
  /** Reads a tensor, into `out` where it is given. @throws CheckpointError */
  read(name: string, shape: readonly number[], out?: Float32Array): Float32Array;
  /** Memory of the engine that all layers share under this name. */
  scratch(name: string, shape: readonly number[]): HostTensor;
}

/** A kind of linear layer: its outline, its operator and its dense form. */
export interface LayerKind extends LayerOutline {
  /** Takes the activation, then the first tensor of each of the rank's blocks, the second of each,
   * and so on. */
  operator(layer: LayerSizes, layout: BlockLayout): Operator;
  /** Writes the whole matrix [outputs, inputs] that the stored tensors stand for. */
  dense(layer: LayerSizes, shards: ShardReader, out: HostTensor): void;
}

/** An operator that exchanges ghosts, and can do with the first few of them. */
export interface GhostOperator extends Operator {
  /** K */
  readonly ghosts: number;
  /** K', 1 to K. */
  ghostsInUse: number;
}

export function hasGhosts(operator: Operator): operator is GhostOperator {
  return 'ghostsInUse' in operator;
}
