import type { SafetensorsTensor } from '../../data/safetensors.js';
import type { HostEngine } from '../../engines/host-engine.js';
import {
  asMatrix,
  type Matrix,
  matrixColumns,
  matrixRows,
  type HostTensor,
} from '../../tensor/tensor.js';
import { copyBlock } from '../dense-shards.js';
import type { ShardReader } from '../kind.js';
import type { LayerSizes } from '../outline.js';

/** The matrices of a phantom layer. */
export interface PhantomFactors {
  /** L_j of all blocks, one below the other, [P·n, m]. */
  readonly locals: HostTensor;
  /** Compressors of all blocks, [P·K, m]. */
  readonly compressors: HostTensor;
  /** Decompressors of all blocks, [P·n, (P−1)·K]. */
  readonly decompressors: HostTensor;
}

/** Sizes that a matrix of phantom form has. */
export type PhantomSizes = Pick<LayerSizes, 'name' | 'blocks' | 'inputs' | 'outputs' | 'ghosts'>;

/** Writes the matrix whose diagonal block (j, j) is L_j and whose block (j, i) is D_j[i]·C_i. */
export function phantomDense(layer: PhantomSizes, shards: ShardReader, out: HostTensor): void {
  const { name, blocks: P, inputs, outputs, ghosts: K } = layer;
  const [m, n] = [inputs / P, outputs / P];
  const compressors = shards.scratch('compressors', [P * K, m]);
  const decompressor = shards.scratch('decompressor', [n, (P - 1) * K]);
  for (let i = 0; i < P; i++) {
    const values = compressors.data.subarray(i * K * m, (i + 1) * K * m);
    shards.read(`${name}.compressor.${i}`, [K, m], values);
  }
  for (let j = 0; j < P; j++) {
    const local = shards.read(`${name}.local.${j}`, [n, m]);
    copyBlock(local, m, out.data, { row: j * n, column: j * m, stride: inputs });
    shards.read(`${name}.decompressor.${j}`, [n, (P - 1) * K], decompressor.data);
    for (let i = 0; i < P; i++) {
      if (i === j) continue;
      const d = matrixColumns(asMatrix(decompressor), ghostColumn(i, j, K), K);
      const c = matrixRows(asMatrix(compressors), i * K, K);
      shards.engine.gemm(false, false, 1, d, c, 0, blockOf(out, layer, j, i));
    }
  }
}

/** Replaces a layer's matrix by what its phantom form leaves of it: W_jj − L_j on the diagonal
 * blocks, W_ji − D_j[i]·C_i elsewhere. */
export function subtractPhantom(
  weight: HostTensor,
  layer: PhantomSizes,
  { locals, compressors, decompressors }: PhantomFactors,
  engine: HostEngine,
): void {
  const { blocks: P, inputs, outputs, ghosts: K } = layer;
  const [m, n] = [inputs / P, outputs / P];
  for (let j = 0; j < P; j++) {
    for (let row = j * n; row < (j + 1) * n; row++) {
      const from = row * inputs + j * m;
      for (let c = 0; c < m; c++) {
        const own = locals.data[row * m + c] as number;
        weight.data[from + c] = (weight.data[from + c] as number) - own;
      }
    }
    const own = matrixRows(asMatrix(decompressors), j * n, n);
    for (let i = 0; i < P; i++) {
      if (i === j) continue;
      const d = matrixColumns(own, ghostColumn(i, j, K), K);
      const c = matrixRows(asMatrix(compressors), i * K, K);
      engine.gemm(false, false, -1, d, c, 1, blockOf(weight, layer, j, i));
    }
  }
}

/** A layer's tensors by their names in checkpoints. */
export function phantomTensors(
  layer: PhantomSizes,
  bias: Float32Array,
  { locals, compressors, decompressors }: PhantomFactors,
): SafetensorsTensor[] {
  const { name, blocks: P, inputs, outputs, ghosts: K } = layer;
  const [m, n] = [inputs / P, outputs / P];
  return Array.from({ length: P }, (_, j) => {
    const wide = (P - 1) * K;
    const parts: [string, number[], Float32Array][] = [
      ['local', [n, m], locals.data.subarray(j * n * m, (j + 1) * n * m)],
      ['compressor', [K, m], compressors.data.subarray(j * K * m, (j + 1) * K * m)],
      ['decompressor', [n, wide], decompressors.data.subarray(j * n * wide, (j + 1) * n * wide)],
      ['bias', [n], bias.subarray(j * n, (j + 1) * n)],
    ];
    return parts.map(([part, shape, data]): SafetensorsTensor => ({
      name: `${name}.${part}.${j}`,
      dtype: 'F32',
      shape,
      data,
    }));
  }).flat();
}

/** The first of the K columns of D_j that take the ghosts of block i ≠ j. */
export function ghostColumn(i: number, j: number, K: number): number {
  return (i < j ? i : i - 1) * K;
}

function blockOf(
  weight: HostTensor,
  { blocks: P, inputs, outputs }: PhantomSizes,
  j: number,
  i: number,
): Matrix {
  const [m, n] = [inputs / P, outputs / P];
  return matrixColumns(matrixRows(asMatrix(weight), j * n, n), i * m, m);
}
