/** The root mean square of columns, in float64. */
import { type Dense, get } from './matrix.js';

const EPSILON = 1e-6;

export function mapped(m: Dense, value: (x: number, row: number, column: number) => number): Dense {
  const data = m.data.map((x, i) => value(x, Math.floor(i / m.columns), i % m.columns));
  return { ...m, data };
}

export function rootMeanSquares(x: Dense): Float64Array {
  return Float64Array.from({ length: x.columns }, (_, c) => {
    let sum = 0;
    for (let row = 0; row < x.rows; row++) sum += get(x, row, c) ** 2;
    return Math.sqrt(sum / x.rows + EPSILON);
  });
}

export function normalize(x: Dense): Dense {
  const r = rootMeanSquares(x);
  return mapped(x, (value, _, c) => value / r[c]);
}

/** Σ over rows of a ∘ b. */
export function columnDots(a: Dense, b: Dense): Float64Array {
  return Float64Array.from({ length: a.columns }, (_, c) => {
    let sum = 0;
    for (let row = 0; row < a.rows; row++) sum += get(a, row, c) * get(b, row, c);
    return sum;
  });
}

/** The gradient of x where u = x / r has that of du. */
export function normalizeGradient(x: Dense, du: Dense): Dense {
  const r = rootMeanSquares(x);
  const dots = columnDots(x, du);
  return mapped(
    du,
    (value, row, c) => value / r[c] - (get(x, row, c) * dots[c]) / (x.rows * r[c] ** 3),
  );
}
