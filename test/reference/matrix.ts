/** Float64 matrices by plain loops: slow, and easy to believe. */
export interface Dense {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;
}

export function zeros(rows: number, columns: number): Dense {
  return { rows, columns, data: new Float64Array(rows * columns) };
}

export function dense(rows: number, columns: number, values: ArrayLike<number>): Dense {
  if (values.length !== rows * columns) throw new Error(`${values.length} ≠ ${rows}×${columns}`);
  return { rows, columns, data: new Float64Array(values) };
}

export function get(m: Dense, row: number, column: number): number {
  return m.data[row * m.columns + column];
}

export function multiply(a: Dense, b: Dense): Dense {
  if (a.columns !== b.rows) throw new Error(`${a.rows}×${a.columns} by ${b.rows}×${b.columns}`);
  const out = zeros(a.rows, b.columns);
  for (let i = 0; i < a.rows; i++) {
    const row = out.data.subarray(i * b.columns, (i + 1) * b.columns);
    for (let l = 0; l < a.columns; l++) {
      const factor = get(a, i, l);
      for (let j = 0; j < row.length; j++) row[j] += factor * get(b, l, j);
    }
  }
  return out;
}

export function transpose(m: Dense): Dense {
  const out = zeros(m.columns, m.rows);
  for (let i = 0; i < m.rows; i++) {
    for (let j = 0; j < m.columns; j++) out.data[j * m.rows + i] = get(m, i, j);
  }
  return out;
}

export function plus(a: Dense, b: Dense): Dense {
  return { ...a, data: a.data.map((value, i) => value + b.data[i]) };
}

export function rowsOf(m: Dense, from: number, count: number): Dense {
  const data = m.data.slice(from * m.columns, (from + count) * m.columns);
  return { rows: count, columns: m.columns, data };
}

export function columnsOf(m: Dense, from: number, count: number): Dense {
  return transpose(rowsOf(transpose(m), from, count));
}

export function stack(parts: readonly Dense[]): Dense {
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const columns = parts[0]?.columns ?? 0;
  return dense(rows, columns, joined(parts.map(({ data }) => data)));
}

/** Arrays one after another. */
export function joined(parts: readonly Float64Array[]): Float64Array {
  const whole = new Float64Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function beside(parts: readonly Dense[]): Dense {
  return transpose(stack(parts.map(transpose)));
}

/** Everything of m but `count` rows from `from`. */
export function withoutRows(m: Dense, from: number, count: number): Dense {
  return stack([rowsOf(m, 0, from), rowsOf(m, from + count, m.rows - from - count)]);
}

export function rowSums(m: Dense): Float64Array {
  return Float64Array.from({ length: m.rows }, (_, i) =>
    m.data.slice(i * m.columns, (i + 1) * m.columns).reduce((sum, value) => sum + value, 0),
  );
}
