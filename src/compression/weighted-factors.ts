import { ghostColumn, type PhantomFactors } from '../layers/phantom/dense.js';
import type { InputMoments } from './calibration.js';
import { cholesky, product, solveLower, solveLowerTransposed, transpose } from './float64.js';
import { offDiagonal, type Split } from './phantom-factors.js';
import type { TruncatedSvd } from './truncated-svd.js';

/** Least share of the mean variance that is added to every feature's: what keeps matrices of
 * features that never vary, or that others determine, invertible. */
const LEAST_RIDGE = 1e-6;

/** A dense layer, and what enters it. */
export interface WeightedLayer extends Split {
  /** W, [outputs, inputs] */
  readonly weight: Float32Array;
  readonly moments: InputMoments;
}

/**
 * The phantom form of a dense layer whose *outputs* are nearest on given inputs.
 *
 * With x the inputs, μ their mean, S their covariance and Δ = W − Ŵ, the bias that loses least is
 * b + Δμ, and what is left is E‖ẑ − z‖² = tr(Δ S Δᵀ). To S is added a ridge of N / (20·rows)
 * times the mean variance, so that no direction is without weight: where data say nothing, or are
 * few, the error of the weights counts.
 *
 * **Given the compressors** the best L_j and D_j are one linear regression: z_j on what block j
 * can know, f_j = [x_j ; G_{≠j}], [L_j D_j] = E[z_j f_jᵀ] E[f_j f_jᵀ]⁻¹. So L_j is W_jj plus what
 * x_j says of the other blocks' contribution.
 *
 * **The compressors.** With L_j at its best for given D and C, row j leaves
 * tr(Δ_{j,≠j} S_{≠j|j} Δ_{j,≠j}ᵀ), where S_{≠j|j} = S_{≠j,≠j} − S_{≠j,j} S_jj⁻¹ S_{j,≠j} is what is
 * not known of the others once x_j is. In the space whitened by it this is an approximation of
 * rank K of one matrix, which Eckart and Young solve, in two cases:
 *
 * - P = 2: W_ji alone, whitened by S_{i|j};
 * - blocks that are not correlated with each other: W_{≠i,i}, whitened by S_ii.
 *
 * In general C_i serves P − 1 blocks with different weights S_{i|j}, a weighted low-rank
 * approximation, which has no closed form (Srebro and Jaakkola 2003); alternating between C and
 * (L, D) finds a local optimum. This takes one closed form that is the optimum in both cases:
 * W_{≠i,i} whitened by T_i, the mean over j of S_{i|j}. With T_i = F Fᵀ and W_{≠i,i} F ≈ U Σ Qᵀ of
 * rank K, C_i = Qᵀ F⁻¹, each row scaled so that its ghost has variance one. Ghosts are in the order
 * of their singular values.
 *
 * Takes 8·N² bytes beside S, and about N²·(2M + 2PK) + P²M³ products in float64; N are the inputs,
 * M those of a block.
 *
 * @param out its memory is written
 * @returns what is added to the bias, [outputs]
 */
export function factorizeWeighted(
  layer: WeightedLayer,
  K: number,
  svd: TruncatedSvd,
  out: PhantomFactors,
): Float64Array {
  const { inputs: N, outputs, blocks: P, weight } = layer;
  const [M, n] = [N / P, outputs / P];
  const covariance = new Covariance(layer);
  for (let i = 0; i < P; i++) {
    const { matrix, factor } = whiten(layer, covariance, i);
    const { right } = svd.decompose(matrix, outputs - n, M, K);
    const columns = transpose(right, K, M);
    solveLowerTransposed(factor, M, columns);
    const rows = transpose(columns, M, K);
    scaleToUnit(rows, product(rows, covariance.block(i, i), [K, M, M]), K);
    out.compressors.data.set(rows, i * K * M);
  }
  // What the compressors are in float32 is what the regression has to do with.
  const compressors = Float64Array.from(out.compressors.data);
  const of = (i: number) => compressors.subarray(i * K * M, (i + 1) * K * M);
  const wide = M + (P - 1) * K;
  for (let j = 0; j < P; j++) {
    // F_j S, [M + (P−1)·K, N], and F_j S F_jᵀ.
    const known = new Float64Array(wide * N);
    known.set(covariance.rows(j), 0);
    for (let i = 0; i < P; i++) {
      if (i === j) continue;
      const ghosts = product(of(i), covariance.rows(i), [K, M, N]);
      known.set(ghosts, (M + ghostColumn(i, j, K)) * N);
    }
    const factor = cholesky(seenBy(j, { known, of, N, P, K }), wide);
    const own = Float64Array.from(weight.subarray(j * n * N, (j + 1) * n * N));
    const solved = product(known, transpose(own, n, N), [wide, N, n]);
    solveLower(factor, wide, solved);
    solveLowerTransposed(factor, wide, solved);
    const rows = transpose(solved, wide, n);
    for (let row = 0; row < n; row++) {
      const [from, to] = [row * wide, j * n + row];
      out.locals.data.set(rows.subarray(from, from + M), to * M);
      out.decompressors.data.set(rows.subarray(from + M, from + wide), to * (P - 1) * K);
    }
  }
  return shiftOfMean(layer, K, out);
}

/** As `ghostEnergies`, of the whitened off-diagonal weights: what the k-th ghosts keep of the
 * variance of the layer's outputs, all features together. */
export function weightedGhostEnergies(layer: WeightedLayer, svd: TruncatedSvd): Float64Array {
  const { inputs: N, outputs, blocks: P } = layer;
  const M = N / P;
  const energies = new Float64Array(M);
  const covariance = new Covariance(layer);
  for (let i = 0; i < P; i++) {
    const values = svd.singularValues(
      whiten(layer, covariance, i).matrix,
      outputs - outputs / P,
      M,
    );
    for (const [k, value] of values.entries()) energies[k] = (energies[k] ?? 0) + value ** 2;
  }
  return energies;
}

/** W_{≠i,i} F, [(P−1)·n, M], and F. */
function whiten({ weight, ...split }: WeightedLayer, covariance: Covariance, i: number) {
  const { inputs: N, outputs, blocks: P } = split;
  const M = N / P;
  const factor = cholesky(covariance.unknown(i), M);
  const rest = outputs - outputs / P;
  const matrix = product(offDiagonal(weight, split, i), factor, [rest, M, M]);
  return { matrix, factor };
}

/** S with its ridge, by blocks. */
class Covariance {
  /** [N, N] */
  readonly #matrix: Float64Array;
  readonly #N: number;
  readonly #P: number;

  constructor({ inputs: N, blocks: P, moments }: WeightedLayer) {
    this.#N = N;
    this.#P = P;
    this.#matrix = moments.covariance.slice();
    let trace = 0;
    for (let at = 0; at < N; at++) trace += this.#matrix[at * N + at] as number;
    const mean = trace > 0 ? trace / N : 1;
    const ridge = mean * Math.max(LEAST_RIDGE, N / (20 * moments.rows));
    for (let at = 0; at < N; at++) {
      this.#matrix[at * N + at] = (this.#matrix[at * N + at] as number) + ridge;
    }
  }

  /** S_i, [M, N] */
  rows(i: number): Float64Array {
    const size = (this.#N * this.#N) / this.#P;
    return this.#matrix.subarray(i * size, (i + 1) * size);
  }

  /** S_ij, [M, M] */
  block(i: number, j: number): Float64Array<ArrayBuffer> {
    return columnBlock(this.rows(i), this.#N, j * (this.#N / this.#P), this.#N / this.#P);
  }

  /** T_i: the mean over j ≠ i of S_ii − S_ij S_jj⁻¹ S_ji, [M, M]. */
  unknown(i: number): Float64Array {
    const M = this.#N / this.#P;
    const mean = this.block(i, i);
    for (let j = 0; j < this.#P; j++) {
      if (j === i) continue;
      const half = this.block(j, i);
      solveLower(cholesky(this.block(j, j), M), M, half);
      const explained = product(transpose(half, M, M), half, [M, M, M]);
      for (const [at, value] of explained.entries()) {
        mean[at] = (mean[at] as number) - value / (this.#P - 1);
      }
    }
    return mean;
  }
}

/** F_j S F_jᵀ: of a block's own inputs and the ghosts that it receives. */
function seenBy(
  j: number,
  sizes: {
    readonly known: Float64Array;
    readonly of: (i: number) => Float64Array;
    readonly N: number;
    readonly P: number;
    readonly K: number;
  },
): Float64Array {
  const { known, of, N, P, K } = sizes;
  const M = N / P;
  const wide = known.length / N;
  const out = new Float64Array(wide * wide);
  for (let i = 0; i < P; i++) {
    const inputs = columnBlock(known, N, i * M, M);
    const count = i === j ? M : K;
    const part = i === j ? inputs : product(inputs, transpose(of(i), K, M), [wide, M, K]);
    const to = i === j ? 0 : M + ghostColumn(i, j, K);
    for (let row = 0; row < wide; row++) {
      out.set(part.subarray(row * count, (row + 1) * count), row * wide + to);
    }
  }
  return out;
}

function columnBlock(a: Float64Array, stride: number, from: number, count: number) {
  const rows = a.length / stride;
  const out = new Float64Array(rows * count);
  for (let row = 0; row < rows; row++) {
    out.set(a.subarray(row * stride + from, row * stride + from + count), row * count);
  }
  return out;
}

/** Scales each row c so that c · S cᵀ = 1. @param moved rows · S */
function scaleToUnit(rows: Float64Array, moved: Float64Array, count: number): void {
  const width = rows.length / count;
  for (let k = 0; k < count; k++) {
    let variance = 0;
    for (let at = k * width; at < (k + 1) * width; at++) {
      variance += (rows[at] as number) * (moved[at] as number);
    }
    const factor = variance > 0 ? 1 / Math.sqrt(variance) : 1;
    for (let at = k * width; at < (k + 1) * width; at++) rows[at] = (rows[at] as number) * factor;
  }
}

/** (W − Ŵ) μ, of Ŵ as it is written. */
function shiftOfMean(
  { weight, inputs: N, outputs, blocks: P, moments: { mean } }: WeightedLayer,
  K: number,
  { locals, compressors, decompressors }: PhantomFactors,
): Float64Array {
  const M = N / P;
  const ghosts = new Float64Array(P * K);
  for (const [at, value] of compressors.data.entries()) {
    const [ghost, column] = [Math.floor(at / M), at % M];
    const input = mean[Math.floor(ghost / K) * M + column] as number;
    ghosts[ghost] = (ghosts[ghost] as number) + value * input;
  }
  return Float64Array.from({ length: outputs }, (_, row) => {
    const j = Math.floor(row / (outputs / P));
    let shift = 0;
    for (let c = 0; c < N; c++) shift += (weight[row * N + c] as number) * (mean[c] as number);
    for (let c = 0; c < M; c++) {
      shift -= (locals.data[row * M + c] as number) * (mean[j * M + c] as number);
    }
    for (let at = 0; at < (P - 1) * K; at++) {
      const ghost = at < j * K ? at : at + K;
      const factor = decompressors.data[row * (P - 1) * K + at] as number;
      shift -= factor * (ghosts[ghost] as number);
    }
    return shift;
  });
}
