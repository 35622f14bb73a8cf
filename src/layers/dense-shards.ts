import type { HostTensor } from '../tensor/tensor.js';
import type { ShardReader } from './kind.js';
import type { LayerOutline, LayerSizes, ParameterShape } from './outline.js';
import { parameterName } from './matrix-shards.js';

/** The dense form of a layer whose blocks hold parts of one matrix: the parts put together. */
export function matrixOfShards(
  parameters: LayerOutline['parameters'],
): (layer: LayerSizes, shards: ShardReader, out: HostTensor) => void {
  return (layer, shards, out) => {
    const of = (block: number) => parameters(layer, block);
    readWhole({ layer, part: 'weight', of }, shards, out.data);
  };
}

/** Which whole tensor of a layer is put together, and the tensors of each block. */
export interface WholeTensor {
  readonly layer: LayerSizes;
  readonly part: string;
  readonly of: (block: number) => readonly ParameterShape[];
}

/** Reads a tensor that every block may hold a part of. */
export function readWhole(
  { layer, part, of }: WholeTensor,
  { read }: Pick<ShardReader, 'read'>,
  out: Float32Array,
): void {
  for (let block = 0; block < layer.blocks; block++) {
    for (const parameter of of(block)) {
      const { place, shape } = parameter;
      if (parameter.part !== part || place === null) continue;
      const name = parameterName(layer, parameter, block);
      if (layer.storedWhole) {
        read(name, place.shape, out);
        return;
      }
      const stride = place.shape[1] ?? 1;
      copyBlock(read(name, shape), shape[1] ?? 1, out, { ...place, stride });
    }
  }
}

/** Copies a matrix of `width` columns to its place in a larger one. */
export function copyBlock(
  part: Float32Array,
  width: number,
  whole: Float32Array,
  at: { readonly row: number; readonly column: number; readonly stride: number },
): void {
  for (let r = 0; r * width < part.length; r++) {
    const row = part.subarray(r * width, (r + 1) * width);
    whole.set(row, (at.row + r) * at.stride + at.column);
  }
}
