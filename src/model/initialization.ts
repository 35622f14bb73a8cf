import type { Parameter } from '../autograd/tape.js';
import type { Activation } from '../engines/engine.js';
import { randomStream } from '../tensor/random.js';
import type { NetworkSpecification } from './specification.js';

/**
 * Initial weights are uniform with mean zero and a variance such that, for inputs of second moment
 * one, every pre-activation has variance one, and gradients keep theirs likewise.
 *
 * Let q be the second moment of what enters a layer: 1 for the data, m = E[activation(u)²] with
 * u ~ N(0, 1) after an activation. A dense layer keeps variance one with Var W = 1/(N q).
 *
 * In a phantom layer z_j = L_j x_j + Σ_{i≠j} D_j[i] C_i x_i, with independent entries of variance
 * l, c, d: Var z = M l q + (P−1) K d · M c q. The dense layer takes 1/P of its variance from the
 * own block and (P−1)/P from the others; the same split, with ghosts of variance one, gives
 *
 *     l = 1/(N q)      c = 1/(M q)      d = 1/(P K)
 *
 * so Var z = 1/P + (P−1)/P = 1 for every P and K. Backward, dx_j = L_jᵀ dz_j + C_jᵀ h_j with
 * h_j = Σ_{i≠j} D_i[j]ᵀ dz_i has Var dx = (M l + K c (P−1) M d) Var dz = (1/q) Var dz: the factor
 * of a dense layer, again for every P and K.
 *
 * @param ghosts K of the layer
 */
export function weightVariances(
  { width, blocks, ghosts: largest }: NetworkSpecification,
  q: number,
  ghosts: number = largest,
) {
  return {
    dense: 1 / (width * q),
    local: 1 / (width * q),
    compressor: 1 / ((width / blocks) * q),
    decompressor: 1 / (blocks * ghosts),
  };
}

/** E[activation(u)²] for u ~ N(0, 1); by numerical integration except where it is exact. */
export const ACTIVATION_SECOND_MOMENT: Readonly<Record<Activation, number>> = {
  relu: 0.5,
  gelu: 0.425_221_482_55,
  silu: 0.355_775_519_8,
  tanh: 0.394_294_490_38,
  identity: 1,
};

/** Which numbers of which random stream a parameter takes: those of its place in a full matrix. */
export interface InitialDraw {
  /** Of the uniform distribution; zero: the parameter starts at zero. */
  readonly variance: number;
  readonly stream: string;
  readonly row: number;
  readonly column: number;
  /** Width of the full matrix. */
  readonly columns: number;
}

/** Writes a parameter's initial value, which depends on the seed and the draw alone. */
export function initialize(parameter: Parameter, draw: InitialDraw, seed: number): void {
  const { value } = parameter;
  if (draw.variance === 0) {
    value.data.fill(0);
    return;
  }
  const stream = randomStream(seed, draw.stream);
  const bound = Math.sqrt(3 * draw.variance);
  const width = value.shape[1] ?? 1;
  const rows = value.data.length / width;
  for (let row = 0; row < rows; row++) {
    const first = (draw.row + row) * draw.columns + draw.column;
    stream.fillUniform(value.data.subarray(row * width, (row + 1) * width), first, -bound, bound);
  }
}
