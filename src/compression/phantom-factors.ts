import { ghostColumn, type PhantomFactors } from '../layers/phantom/dense.js';
import type { TruncatedSvd } from './truncated-svd.js';

/** How a dense layer is split. */
export interface Split {
  /** Features that enter it: m = inputs / P of each block. */
  readonly inputs: number;
  /** Features that leave it: n = outputs / P of each block. */
  readonly outputs: number;
  /** P */
  readonly blocks: number;
}

/** How a layer is brought into phantom form. */
export interface FactorizedLayer extends Split {
  /** K */
  readonly ghosts: number;
  /** Of what enters the layer. */
  readonly secondMoment: number;
}

/**
 * What the k-th ghosts of all blocks keep of a layer's squared off-diagonal weights, k < m: the
 * squared singular values of the columns W_{≠i,i}, [(P−1)·n, m], summed over i. They fall with k.
 *
 * @param weight [outputs, inputs]
 */
export function ghostEnergies(weight: Float32Array, split: Split, svd: TruncatedSvd): Float64Array {
  const { inputs, outputs, blocks: P } = split;
  const [m, n] = [inputs / P, outputs / P];
  const energies = new Float64Array(m);
  for (let i = 0; i < P; i++) {
    const values = svd.singularValues(offDiagonal(weight, split, i), outputs - n, m);
    for (const [k, value] of values.entries()) energies[k] = (energies[k] ?? 0) + value ** 2;
  }
  return energies;
}

/** Ghosts that keep a share of a layer's squared off-diagonal weights, all blocks together. */
export function ghostsForEnergy(energies: Float64Array, share: number): number {
  const M = energies.length;
  // The tail is summed from its end, the smallest first.
  const total = energies.reduceRight((sum, energy) => sum + energy, 0);
  let ghosts = M;
  for (let tail = 0; ghosts > 1; ghosts--) {
    tail += energies[ghosts - 1] as number;
    if (tail > (1 - share) * total) break;
  }
  return ghosts;
}

/**
 * Shares out ghosts over layers, one each and then the next where it keeps most: as energies fall,
 * no other way of sharing keeps more.
 *
 * @param energies of each layer
 * @param count of all layers together, at least one each
 */
export function shareGhosts(energies: readonly Float64Array[], count: number): number[] {
  const ghosts = energies.map(() => 1);
  const next = (layer: number) => energies[layer]?.[ghosts[layer] ?? 0] ?? -1;
  for (let left = count - ghosts.length; left > 0; left--) {
    let best = 0;
    for (let layer = 1; layer < ghosts.length; layer++) if (next(layer) > next(best)) best = layer;
    if (next(best) < 0) break;
    ghosts[best] = (ghosts[best] ?? 0) + 1;
  }
  return ghosts;
}

/**
 * The best phantom form of a dense layer with K ghosts a block (Eckart and Young 1936).
 * L_j = W_jj, and for each source block i, with W_{≠i,i} ≈ U Σ Vᵀ of rank K,
 *
 *     C_i = Vᵀ / √q      D_j[i] = U_j Σ √q
 *
 * where q is the second moment of what enters the layer: for white inputs every ghost then has
 * variance one, as in a network that starts from random weights, and a ghost of singular value
 * zero still learns, because its row of C is not zero. Ghosts are ordered by singular value, so
 * the first K' < K of them are the best K'.
 *
 * @param weight [outputs, inputs]
 * @param out its memory is written
 */
export function factorize(
  weight: Float32Array,
  { ghosts: K, secondMoment, ...split }: FactorizedLayer,
  svd: TruncatedSvd,
  out: PhantomFactors,
): void {
  const { inputs, outputs, blocks: P } = split;
  const [m, n] = [inputs / P, outputs / P];
  const root = Math.sqrt(secondMoment);
  for (let row = 0; row < outputs; row++) {
    const from = row * inputs + Math.floor(row / n) * m;
    out.locals.data.set(weight.subarray(from, from + m), row * m);
  }
  for (let i = 0; i < P; i++) {
    const { values, left, right } = svd.decompose(offDiagonal(weight, split, i), outputs - n, m, K);
    const compressor = out.compressors.data.subarray(i * K * m, (i + 1) * K * m);
    for (const [at, value] of right.entries()) compressor[at] = value / root;
    for (let row = 0; row < outputs - n; row++) {
      // Row of the stacked blocks without i, and the place of block i among the others of j.
      const target = row < i * n ? row : row + n;
      const j = Math.floor(target / n);
      const to = target * (P - 1) * K + ghostColumn(i, j, K);
      for (let k = 0; k < K; k++) {
        const factor = (left[row * K + k] as number) * (values[k] as number) * root;
        out.decompressors.data[to + k] = factor;
      }
    }
  }
}

/** W_{≠i,i}: block column i without its diagonal block, [(P−1)·n, m]. */
export function offDiagonal(
  weight: Float32Array,
  { inputs, outputs, blocks: P }: Split,
  i: number,
): Float64Array<ArrayBuffer> {
  const [m, n] = [inputs / P, outputs / P];
  const column = new Float64Array((outputs - n) * m);
  for (let row = 0; row < outputs - n; row++) {
    const from = (row < i * n ? row : row + n) * inputs + i * m;
    column.set(weight.subarray(from, from + m), row * m);
  }
  return column;
}
