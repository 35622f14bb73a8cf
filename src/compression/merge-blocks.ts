import type { SafetensorsTensor } from '../data/safetensors.js';
import { ghostColumn, type PhantomSizes } from '../layers/phantom/dense.js';

/** Reads a tensor of a network by its name. */
export type ReadTensor = (name: string, shape: readonly number[]) => Float32Array;

/** Which of a parameter's tensors are merged: the weights, or what an optimizer keeps for them. */
export interface MergedValues {
  /** Ends the names of the tensors: empty, or `.first_moment`, … */
  readonly suffix: string;
  /** What stands where merging makes a weight that there was not: the weights themselves know. */
  readonly unknown: 'product' | 'zero' | 'mean';
}

/**
 * The tensors of a phantom layer whose blocks are merged, q = P / P′ neighbors into one. The layer
 * computes what it did:
 *
 * | tensor | of block J, which holds blocks i, j |
 * |---|---|
 * | `local` [q·n, q·m] | L_j on its diagonal, the products D_j[i]·C_i elsewhere |
 * | `compressor` [q·K, q·m] | C_i, each on its own inputs; zero elsewhere |
 * | `decompressor` [q·n, (P′−1)·q·K] | D_j[i] of the i in other blocks |
 * | `bias` [q·n] | one below the other |
 *
 * Ghost k of block i is ghost k·q + (i mod q) of J: the first q·K′ of nested ghosts are the first
 * K′ that each block had. What an optimizer keeps is defined for every number that was one before;
 * the products, and the zeros of the compressor, are weights of their own from now on.
 *
 * @param layer before merging
 * @param q blocks that become one
 */
export function mergeBlocks(
  layer: PhantomSizes,
  q: number,
  read: ReadTensor,
  values: MergedValues,
): SafetensorsTensor[] {
  const { name, blocks: P, inputs, outputs, ghosts: K } = layer;
  const [m, n, merged] = [inputs / P, outputs / P, P / q];
  const of = (part: string, shape: readonly number[]) =>
    Array.from({ length: P }, (_, j) => read(`${name}.${part}.${j}${values.suffix}`, shape));
  const locals = of('local', [n, m]);
  const compressors = of('compressor', [K, m]);
  const decompressors = of('decompressor', [n, (P - 1) * K]);
  const biases = of('bias', [n]);
  const wide = (P - 1) * K;
  return Array.from({ length: merged }, (_block, J) => {
    const own = Array.from({ length: q }, (_, a) => J * q + a);
    const local = filled([q * n, q * m], values.unknown === 'mean' ? meanOf(locals) : 0);
    const compressor = filled([q * K, q * m], values.unknown === 'mean' ? meanOf(compressors) : 0);
    const decompressor = filled([q * n, (merged - 1) * q * K], 0);
    for (const [b, j] of own.entries()) {
      const [L, D, C] = [locals[j], decompressors[j], compressors[j]] as [
        Float32Array,
        Float32Array,
        Float32Array,
      ];
      for (let row = 0; row < n; row++) {
        local.set(L.subarray(row * m, (row + 1) * m), ((b * n + row) * q + b) * m);
        for (let i = 0; i < P; i++) {
          if (i === j) continue;
          const factors = D.subarray(row * wide + ghostColumn(i, j, K)).subarray(0, K);
          const [I, a] = [Math.floor(i / q), i % q];
          if (I !== J) {
            const to = (b * n + row) * (merged - 1) * q * K + ghostColumn(I, J, q * K) + a;
            for (const [k, factor] of factors.entries()) decompressor[to + k * q] = factor;
          } else if (values.unknown === 'product') {
            const product = combine(factors, compressors[i] as Float32Array, m);
            local.set(product, ((b * n + row) * q + a) * m);
          }
        }
      }
      for (let k = 0; k < K; k++) {
        compressor.set(C.subarray(k * m, (k + 1) * m), ((k * q + b) * q + b) * m);
      }
    }
    const bias = filled([q * n], 0);
    for (const [b, j] of own.entries()) bias.set(biases[j] as Float32Array, b * n);
    const parts: [string, number[], Float32Array][] = [
      ['local', [q * n, q * m], local],
      ['compressor', [q * K, q * m], compressor],
      ['decompressor', [q * n, (merged - 1) * q * K], decompressor],
      ['bias', [q * n], bias],
    ];
    return parts.map(([part, shape, data]): SafetensorsTensor => ({
      name: `${name}.${part}.${J}${values.suffix}`,
      dtype: 'F32',
      shape,
      data,
    }));
  }).flat();
}

function filled(shape: readonly [number, number?], value: number): Float32Array {
  return new Float32Array(shape[0] * (shape[1] ?? 1)).fill(value);
}

function meanOf(tensors: readonly Float32Array[]): number {
  let [sum, count] = [0, 0];
  for (const tensor of tensors) {
    for (const value of tensor) sum += value;
    count += tensor.length;
  }
  return count === 0 ? 0 : sum / count;
}

/** Σ_k factors[k] · rows[k], summed in float64. */
function combine(factors: Float32Array, rows: Float32Array, width: number): Float64Array {
  const out = new Float64Array(width);
  for (const [k, factor] of factors.entries()) {
    for (let c = 0; c < width; c++) {
      out[c] = (out[c] as number) + factor * (rows[k * width + c] as number);
    }
  }
  return out;
}
