import { shardedBias } from '../layers/bias-activation/parameters.js';
import type { BlockLayout } from '../layers/block-layout.js';
import type { ParameterShape } from '../layers/outline.js';
import { elementCount } from '../tensor/tensor.js';
import type { NetworkLayer } from './network-layers.js';

/** The tensors of one block, in the order of checkpoints: the bias is the last. */
export function layerParameters(layer: NetworkLayer, block: number): ParameterShape[] {
  const own = layer.kind.parameters(layer, block);
  return layer.kind.output === 'sharded' ? [...own, shardedBias(layer, block)] : [...own];
}

/** Elements of each parameter of one rank, block after block. */
export function parameterSizes(layers: readonly NetworkLayer[], layout: OwnBlocks): number[] {
  return parametersOf(layers, layout).map(({ shape }) => elementCount(shape));
}

/** The same of its matrices, which are multiplied: biases are added. */
export function matrixSizes(layers: readonly NetworkLayer[], layout: OwnBlocks): number[] {
  return parametersOf(layers, layout)
    .filter(({ shape }) => shape.length > 1)
    .map(({ shape }) => elementCount(shape));
}

type OwnBlocks = Pick<BlockLayout, 'firstBlock' | 'blocksHere'>;

function parametersOf(
  layers: readonly NetworkLayer[],
  { firstBlock, blocksHere }: OwnBlocks,
): ParameterShape[] {
  return Array.from({ length: blocksHere }, (_, j) =>
    layers.flatMap((layer) => layerParameters(layer, firstBlock + j)),
  ).flat();
}
