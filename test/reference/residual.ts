/** A float64 network of residual blocks by plain loops: x ← x + down(dropout(φ(up(norm(x))))), or gated. */
import { REFERENCE_ACTIVATIONS } from './activations.js';
import { linearPass } from './linear.js';
import { type Dense, get, plus, rowsOf, zeros } from './matrix.js';
import { referenceLoss } from './losses.js';
import { biasOf, padded, type Tensors } from './layers.js';
import { dropped, type ReferenceShape } from './network.js';
import { mapped } from './norm.js';

/** Where the halves of row `row` of a gated unit are: block by block a above b. */
function halves(row: number, rows: number, blocks: number): [a: number, b: number] {
  const n = rows / blocks;
  const [block, place] = [Math.floor(row / n), row % n];
  return [2 * block * n + place, (2 * block + 1) * n + place];
}

/** φ(a) ∘ b */
function gate(z: Dense, blocks: number, phi: (x: number) => number): Dense {
  const rows = z.rows / 2;
  return mapped(zeros(rows, z.columns), (_, row, c) => {
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
  const gradients = new Map<string, Float64Array>();
  const linear = (name: string, entering: Dense, divided = false) => {
    const of = { name, norm: divided && norm === 'rms' };
    const pass = linearPass(shape, tensors, of, entering, gradients);
    const bias = biasOf(tensors, name, blocks);
    return { ...pass, z: mapped(pass.z, (value, row) => value + bias.data[row]) };
  };

  const drop = (l: number, a: Dense) => dropped(shape, (hasEnds ? 1 : 0) + 2 * l, a);
  const input = hasEnds ? linear('input', x) : null;
  let stream = input?.z ?? x;
  const saved = Array.from({ length: depth }, (_, l) => {
    const up = linear(`layers.${l}.up`, stream, true);
    const a = drop(l, gated ? gate(up.z, blocks, phi.value) : mapped(up.z, phi.value));
    const down = linear(`layers.${l}.down`, a);
    stream = plus(stream, down.z);
    return { up, down };
  });
  const head = hasEnds ? linear('head', stream, true) : null;
  const whole = head?.z ?? stream;
  const output = tensors.has('head.bias.0') ? rowsOf(whole, 0, y.rows) : whole;
  const { loss, gradient, correct } = referenceLoss(shape, output, y);

  const dWhole = padded(gradient, whole.rows);
  let dStream = head?.back(dWhole) ?? dWhole;
  for (const [l, { up, down }] of [...saved.entries()].toReversed()) {
    const da = drop(l, down.back(dStream));
    const dz = gated
      ? gateGradient(up.z, da, blocks, phi)
      : mapped(da, (value, row, c) => value * phi.slope(get(up.z, row, c)));
    dStream = plus(dStream, up.back(dz));
  }
  input?.back(dStream);
  return { loss, correct, gradients, output };
}
