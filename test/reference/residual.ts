/** A float64 network of residual blocks by plain loops: x ← x + down(dropout(φ(up(norm(x))))), or gated. */
import { REFERENCE_ACTIVATIONS } from './activations.js';
import { type Dense, get, multiply, plus, rowsOf, transpose, zeros } from './matrix.js';
import { referenceLoss } from './losses.js';
import {
  biasOf,
  denseMatrix,
  dropped,
  layerGradients,
  padded,
  type ReferenceShape,
  type Tensors,
} from './network.js';

const EPSILON = 1e-6;

/** Root mean squares of the columns. */
function rootMeanSquares(x: Dense): Float64Array {
  return Float64Array.from({ length: x.columns }, (_, c) => {
    let sum = 0;
    for (let row = 0; row < x.rows; row++) sum += get(x, row, c) ** 2;
    return Math.sqrt(sum / x.rows + EPSILON);
  });
}

function map(m: Dense, value: (x: number, row: number, column: number) => number): Dense {
  const data = m.data.map((x, i) => value(x, Math.floor(i / m.columns), i % m.columns));
  return { ...m, data };
}

function normalize(x: Dense): Dense {
  const r = rootMeanSquares(x);
  return map(x, (value, _, c) => value / r[c]);
}

/** The gradient of x where u = x / r has that of du. */
function normalizeGradient(x: Dense, du: Dense): Dense {
  const r = rootMeanSquares(x);
  const dots = Float64Array.from({ length: x.columns }, (_, c) => {
    let sum = 0;
    for (let row = 0; row < x.rows; row++) sum += get(x, row, c) * get(du, row, c);
    return sum;
  });
  return map(
    du,
    (value, row, c) => value / r[c] - (get(x, row, c) * dots[c]) / (x.rows * r[c] ** 3),
  );
}

/** Where the halves of row `row` of a gated unit are: block by block a above b. */
function halves(row: number, rows: number, blocks: number): [a: number, b: number] {
  const n = rows / blocks;
  const [block, place] = [Math.floor(row / n), row % n];
  return [2 * block * n + place, (2 * block + 1) * n + place];
}

/** φ(a) ∘ b */
function gate(z: Dense, blocks: number, phi: (x: number) => number): Dense {
  const rows = z.rows / 2;
  return map(zeros(rows, z.columns), (_, row, c) => {
    const [a, b] = halves(row, rows, blocks);
    return phi(get(z, a, c)) * get(z, b, c);
  });
}

function gateGradient(
  z: Dense,
  dy: Dense,
  blocks: number,
  phi: { value: (x: number) => number; slope: (x: number) => number },
): Dense {
  const dz = zeros(z.rows, z.columns);
  for (let row = 0; row < dy.rows; row++) {
    const [a, b] = halves(row, dy.rows, blocks);
    for (let c = 0; c < z.columns; c++) {
      const d = get(dy, row, c);
      dz.data[a * z.columns + c] = d * get(z, b, c) * phi.slope(get(z, a, c));
      dz.data[b * z.columns + c] = d * phi.value(get(z, a, c));
    }
  }
  return dz;
}

/** As `lossAndGradients`, of a network of residual blocks. */
export function residualLossAndGradients(
  shape: ReferenceShape & { readonly norm: 'rms' | 'none'; readonly gated?: boolean },
  tensors: Tensors,
  x: Dense,
  y: Dense,
) {
  const { depth, blocks, norm, gated = false } = shape;
  const phi = REFERENCE_ACTIVATIONS[shape.activation];
  const hasEnds = tensors.has('input.bias') || tensors.has('input.bias.0');
  const normed = (m: Dense) => (norm === 'rms' ? normalize(m) : m);
  const back = (m: Dense, du: Dense) => (norm === 'rms' ? normalizeGradient(m, du) : du);
  const linear = (name: string, entering: Dense) => {
    const matrix = denseMatrix(tensors, name, blocks);
    const bias = biasOf(tensors, name, blocks);
    const z = multiply(matrix, padded(entering, matrix.columns));
    return map(z, (value, row) => value + bias.data[row]);
  };
  const gradients = new Map<string, Float64Array>();
  const linearBack = (name: string, entering: Dense, dz: Dense): Dense => {
    const matrix = denseMatrix(tensors, name, blocks);
    layerGradients(shape, tensors, name, padded(entering, matrix.columns), dz, gradients);
    return multiply(transpose(matrix), dz);
  };

  const drop = (l: number, a: Dense) => dropped(shape, (hasEnds ? 1 : 0) + 2 * l, a);
  let stream = hasEnds ? linear('input', x) : x;
  const saved = Array.from({ length: depth }, (_, l) => {
    const entered = stream;
    const u = normed(entered);
    const z = linear(`layers.${l}.up`, u);
    const a = drop(l, gated ? gate(z, blocks, phi.value) : map(z, phi.value));
    stream = plus(entered, linear(`layers.${l}.down`, a));
    return { entered, u, z, a };
  });
  const last = normed(stream);
  const whole = hasEnds ? linear('head', last) : stream;
  const output = tensors.has('head.bias.0') ? rowsOf(whole, 0, y.rows) : whole;
  const { loss, gradient, correct } = referenceLoss(shape, output, y);

  const dWhole = padded(gradient, whole.rows);
  let dStream = hasEnds ? back(stream, linearBack('head', last, dWhole)) : dWhole;
  for (const [l, { entered, u, z, a }] of [...saved.entries()].toReversed()) {
    const da = drop(l, linearBack(`layers.${l}.down`, a, dStream));
    const dz = gated
      ? gateGradient(z, da, blocks, phi)
      : map(da, (value, row, c) => value * phi.slope(get(z, row, c)));
    const du = linearBack(`layers.${l}.up`, u, dz);
    dStream = plus(dStream, back(entered, du));
  }
  if (hasEnds) linearBack('input', x, dStream);
  return { loss, correct, gradients, output };
}
