import { ACTIVATIONS } from '../../engines/activations.js';
import type { LayerSizes, ParameterShape } from '../outline.js';

/**
 * The tensors of block j, with m = inputs / P and n = outputs / P: `local` [n, m],
 * `compressor` [K, m], `decompressor` [n, (P−1)·K].
 *
 * In z_j = L_j x_j + Σ_{i≠j} D_j[i] C_i x_i, with independent entries of variance l, c, d and
 * inputs of second moment q, Var z = m l q + (P−1) K d · m c q. A dense layer takes 1/P of its
 * variance from the own block and (P−1)/P from the others; the same split, with ghosts of variance
 * one, gives, for N inputs,
 *
 *     l = 1/(N q)      c = 1/(m q)      d = 1/(P K)
 *
 * so Var z = 1/P + (P−1)/P = 1 for every P and K; l and d times v for outputs of variance v, and d over
 * E[φ(g)²] of g ~ N(0, 1) with a function φ on the ghosts. Backward, dx_j = L_jᵀ dz_j + C_jᵀ h_j with
 * h_j = Σ_{i≠j} D_i[j]ᵀ dz_i has Var dx = (n l + K c (P−1) n d) Var dz = (n/m)(1/q) Var dz: the
 * factor of a dense layer, again for every P and K; with φ, h has φ′(g) as a factor.
 */
export function phantomParameters(layer: LayerSizes): ParameterShape[] {
  const { blocks: P, ghosts: K, inputs, outputs, secondMoment: q, outputVariance: v } = layer;
  const [m, n] = [inputs / P, outputs / P];
  const sent = ACTIVATIONS[layer.ghostActivation ?? 'identity'].secondMoment;
  return [
    { part: 'local', shape: [n, m], variance: v / (inputs * q), place: null },
    { part: 'compressor', shape: [K, m], variance: 1 / (m * q), place: null },
    { part: 'decompressor', shape: [n, (P - 1) * K], variance: v / (P * K * sent), place: null },
  ];
}
