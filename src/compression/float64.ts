/** Dense algebra in float64 on row-major arrays. */

/** a · b. @param sizes rows of a, columns of a, columns of b */
export function product(
  a: Float64Array,
  b: Float64Array,
  [rows, inner, columns]: readonly [number, number, number],
): Float64Array {
  const out = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    const to = i * columns;
    for (let k = 0; k < inner; k++) {
      const factor = a[i * inner + k] as number;
      if (factor === 0) continue;
      const from = k * columns;
      for (let j = 0; j < columns; j++) {
        out[to + j] = (out[to + j] as number) + factor * (b[from + j] as number);
      }
    }
  }
  return out;
}

export function transpose(
  a: Float64Array,
  rows: number,
  columns: number,
): Float64Array<ArrayBuffer> {
  const out = new Float64Array(a.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) out[j * rows + i] = a[i * columns + j] as number;
  }
  return out;
}

/** The lower triangular F with F Fᵀ = a, for a symmetric positive definite [n, n]. */
export function cholesky(a: Float64Array, n: number): Float64Array {
  const f = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i * n + j] as number;
      for (let k = 0; k < j; k++) sum -= (f[i * n + k] as number) * (f[j * n + k] as number);
      f[i * n + j] = i === j ? Math.sqrt(sum) : sum / (f[j * n + j] as number);
    }
  }
  return f;
}

/** Replaces b, [n, columns], by F⁻¹ b, for a lower triangular F. */
export function solveLower(f: Float64Array, n: number, b: Float64Array): void {
  const columns = b.length / n;
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) subtractRow(b, columns, [i, k, f[i * n + k] as number]);
    scaleRow(b, columns, i, 1 / (f[i * n + i] as number));
  }
}

/** Replaces b, [n, columns], by F⁻ᵀ b. */
export function solveLowerTransposed(f: Float64Array, n: number, b: Float64Array): void {
  const columns = b.length / n;
  for (let i = n - 1; i >= 0; i--) {
    scaleRow(b, columns, i, 1 / (f[i * n + i] as number));
    for (let k = 0; k < i; k++) subtractRow(b, columns, [k, i, f[i * n + k] as number]);
  }
}

/** b[to] −= factor · b[from] */
function subtractRow(
  b: Float64Array,
  columns: number,
  [to, from, factor]: readonly [number, number, number],
): void {
  for (let c = 0; c < columns; c++) {
    const at = to * columns + c;
    b[at] = (b[at] as number) - factor * (b[from * columns + c] as number);
  }
}

function scaleRow(b: Float64Array, columns: number, row: number, factor: number): void {
  for (let at = row * columns; at < (row + 1) * columns; at++) b[at] = (b[at] as number) * factor;
}
