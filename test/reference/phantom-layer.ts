/**
 * A phantom layer in float64 by plain loops, block by block, at any number of ghosts in use and
 * with rounded ghosts, and with a function on them. It shares no code with the package.
 */
import {
  columnsOf,
  type Dense,
  dense,
  get,
  multiply,
  plus,
  rowsOf,
  stack,
  transpose,
  zeros,
} from './matrix.js';

export interface PhantomWeights {
  readonly local: readonly Dense[];
  readonly compressor: readonly Dense[];
  readonly decompressor: readonly Dense[];
}

type Rounding = (m: Dense) => Dense;

interface Curve {
  readonly value: (g: number) => number;
  readonly slope: (g: number) => number;
}

const LINEAR: Curve = { value: (g) => g, slope: () => 1 };

/** To eight significant bits, ties to even; of numbers far from the ends of the range. */
const bfloat16: Rounding = (m) => ({
  ...m,
  data: m.data.map((x) => {
    if (x === 0) return 0;
    const unit = 2 ** (Math.floor(Math.log2(Math.abs(x))) - 7);
    return halfEven(x / unit) * unit;
  }),
});

const int8: Rounding = (m) => {
  const out = zeros(m.rows, m.columns);
  for (let row = 0; row < m.rows; row++) {
    const largest = Math.max(...rowsOf(m, row, 1).data.map(Math.abs));
    for (let j = 0; j < m.columns; j++) {
      const steps = largest === 0 ? 0 : halfEven((get(m, row, j) * 127) / largest);
      out.data[row * m.columns + j] = (steps * largest) / 127;
    }
  }
  return out;
};

function halfEven(x: number): number {
  const rounded = Math.round(x);
  return rounded - x === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

export const ROUNDINGS: Readonly<Record<string, Rounding>> = { float32: (m) => m, bfloat16, int8 };

/** z and all gradients of one pass; gradients of ghosts that are not in use are zero. */
export function phantomPass(
  { local, compressor, decompressor }: PhantomWeights,
  x: Dense,
  dz: Dense,
  inUse: number,
  round: Rounding,
  phi: Curve = LINEAR,
) {
  const P = local.length;
  const M = local[0].rows;
  const K = compressor[0].rows;
  const part = (m: Dense, j: number) => rowsOf(m, j * M, M);
  const C = compressor.map((m) => rowsOf(m, 0, inUse));
  /** What of D_j multiplies the ghosts of block i. */
  const D = (j: number, i: number) => columnsOf(decompressor[j], (i < j ? i : i - 1) * K, inUse);
  const blocks = local.map((_, j) => j);
  const before = blocks.map((j) => multiply(C[j], part(x, j)));
  const ghosts = before.map((g) => round({ ...g, data: g.data.map(phi.value) }));
  const z = blocks.map((j) =>
    blocks.reduce(
      (sum, i) => (i === j ? sum : plus(sum, multiply(D(j, i), ghosts[i]))),
      multiply(local[j], part(x, j)),
    ),
  );
  const returned = blocks.map((i) =>
    blocks.reduce(
      (sum, j) => (i === j ? sum : plus(sum, round(multiply(transpose(D(j, i)), part(dz, j))))),
      zeros(inUse, x.columns),
    ),
  );
  const h = returned.map((sum, i) => ({
    ...sum,
    data: sum.data.map((value, e) => value * phi.slope(before[i].data[e])),
  }));
  return {
    z: stack(z),
    dx: stack(
      blocks.map((j) =>
        plus(multiply(transpose(local[j]), part(dz, j)), multiply(transpose(C[j]), h[j])),
      ),
    ),
    local: blocks.map((j) => multiply(part(dz, j), transpose(part(x, j)))),
    compressor: blocks.map((j) =>
      stack([multiply(h[j], transpose(part(x, j))), zeros(K - inUse, M)]),
    ),
    decompressor: blocks.map((j) => {
      const out = zeros(M, (P - 1) * K);
      for (const i of blocks) {
        if (i === j) continue;
        const d = multiply(part(dz, j), transpose(ghosts[i]));
        for (let row = 0; row < M; row++) {
          const at = row * out.columns + (i < j ? i : i - 1) * K;
          out.data.set(d.data.subarray(row * inUse, (row + 1) * inUse), at);
        }
      }
      return out;
    }),
  };
}

export function denseOf(shape: readonly number[], values: ArrayLike<number>): Dense {
  return dense(shape[0], shape[1] ?? 1, values);
}
