/** A linear layer of any kind, and a phantom layer with a function on its ghosts, in float64. */
import type { Activation } from '#src/engines/activations.js';
import { REFERENCE_ACTIVATIONS } from './activations.js';
import {
  type Dense,
  get,
  multiply,
  plus,
  rowsOf,
  rowSums,
  stack,
  transpose,
  withoutRows,
} from './matrix.js';
import { denseMatrix, layerGradients, padded, shardsOf, type Tensors } from './layers.js';
import { mapped, normalize, normalizeGradient } from './norm.js';

export interface LinearPass {
  /** Without a bias. */
  readonly z: Dense;
  /** Sets the gradients of the layer's tensors. @returns that of the input */
  back(dz: Dense): Dense;
}

interface LinearShape {
  readonly blocks: number;
  readonly ghostActivation?: Activation | undefined;
}

/**
 * @param x what enters, not normalized
 * @param norm whether x is divided by its root mean square first
 */
export function linearPass(
  shape: LinearShape,
  tensors: Tensors,
  { name, norm }: { readonly name: string; readonly norm: boolean },
  x: Dense,
  gradients: Map<string, Float64Array>,
): LinearPass {
  const { blocks, ghostActivation } = shape;
  if (ghostActivation !== undefined && tensors.has(`${name}.local.0`)) {
    return activatedPass(tensors, { name, norm, blocks, ghostActivation }, x, gradients);
  }
  const matrix = denseMatrix(tensors, name, blocks);
  const u = padded(norm ? normalize(x) : x, matrix.columns);
  return {
    z: multiply(matrix, u),
    back(dz) {
      layerGradients(shape, tensors, name, u, dz, gradients);
      const du = multiply(transpose(matrix), dz);
      return norm ? normalizeGradient(x, du) : rowsOf(du, 0, x.rows);
    },
  };
}

/** z_j = L_j x_j + Σ_{i≠j} D_j[i] φ(C_i x_i), by the chain rule. */
function activatedPass(
  tensors: Tensors,
  layer: Required<LinearShape> & { readonly name: string; readonly norm: boolean },
  given: Dense,
  gradients: Map<string, Float64Array>,
): LinearPass {
  const { name, norm, blocks: P } = layer;
  const phi = REFERENCE_ACTIVATIONS[layer.ghostActivation ?? 'identity'];
  const L = shardsOf(tensors, `${name}.local`, P);
  const C = shardsOf(tensors, `${name}.compressor`, P);
  const D = shardsOf(tensors, `${name}.decompressor`, P);
  const K = C[0].rows;
  const x = padded(norm ? normalize(given) : given, P * L[0].columns);
  const part = (m: Dense, j: number) => rowsOf(m, (j * m.rows) / P, m.rows / P);
  const before = stack(C.map((c, j) => multiply(c, part(x, j))));
  const ghosts = mapped(before, phi.value);
  const z = stack(
    L.map((l, j) => plus(multiply(l, part(x, j)), multiply(D[j], withoutRows(ghosts, j * K, K)))),
  );
  return {
    z,
    back(dz) {
      const h = mapped(before, () => 0);
      for (let j = 0; j < P; j++) {
        const sent = multiply(transpose(D[j]), part(dz, j));
        for (let row = 0; row < sent.rows; row++) {
          const to = row < j * K ? row : row + K;
          for (let c = 0; c < sent.columns; c++) {
            h.data[to * h.columns + c] += get(sent, row, c) * phi.slope(get(before, to, c));
          }
        }
      }
      const blocks = L.map((l, j) => {
        const own = rowsOf(h, j * K, K);
        const set = (what: string, m: Dense) => gradients.set(`${name}.${what}.${j}`, m.data);
        set('local', multiply(part(dz, j), transpose(part(x, j))));
        set('decompressor', multiply(part(dz, j), transpose(withoutRows(ghosts, j * K, K))));
        set('compressor', multiply(own, transpose(part(x, j))));
        gradients.set(`${name}.bias.${j}`, rowSums(part(dz, j)));
        return plus(multiply(transpose(l), part(dz, j)), multiply(transpose(C[j]), own));
      });
      const dx = stack(blocks);
      return norm ? normalizeGradient(given, dx) : rowsOf(dx, 0, given.rows);
    },
  };
}
