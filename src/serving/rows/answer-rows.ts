/** A column of answers. */
export interface AnswerColumn {
  readonly name: string;
  /** `real` float32, `integer` int32, `text`. */
  readonly kind: 'real' | 'integer' | 'text';
}

/** Answers to some rows: numbers row-major over the columns of numbers, texts over those of text. */
export interface Answers {
  readonly rows: number;
  /** [rows, columns of numbers] */
  readonly numbers: Float32Array;
  /** [rows, columns of texts]; null: no value. */
  readonly texts: readonly (string | null)[];
}

/** The shortest digits that give the float32 back. */
export function digits(value: number): string {
  for (let precision = 6; precision < 9; precision++) {
    const text = value.toPrecision(precision);
    if (Math.fround(Number(text)) === value) return String(Number(text));
  }
  return String(Number(value.toPrecision(9)));
}

/** Calls `use` with the cells of each row, in the order of the columns. */
export function eachRow(
  columns: readonly AnswerColumn[],
  { rows, numbers, texts }: Answers,
  use: (cells: readonly (number | string | null)[]) => void,
): void {
  let number = 0;
  let text = 0;
  for (let row = 0; row < rows; row++) {
    use(columns.map(({ kind }) => (kind === 'text' ? texts[text++] : numbers[number++]) ?? null));
  }
}

/** Each row as a JSON object by the names of the columns. */
export function jsonRows(columns: readonly AnswerColumn[], answers: Answers): string[] {
  const keys = columns.map(({ name }) => JSON.stringify(name));
  const rows: string[] = [];
  eachRow(columns, answers, (cells) => {
    const fields = cells.map((value, i) => {
      const text = typeof value === 'number' ? digits(value) : JSON.stringify(value);
      return `${keys[i]}:${text}`;
    });
    rows.push(`{${fields.join(',')}}`);
  });
  return rows;
}

/** What is wrong with the first row of [rows, outputs] that has an answer which is not finite; null:
 * nothing. */
export function overflowIn(y: Float32Array, outputs: number, firstRow = 0): string | null {
  // A number that is not finite makes the sum so.
  let sum = 0;
  for (let i = 0; i < y.length; i++) sum += (y[i] as number) * 0;
  if (sum === 0) return null;
  const at = y.findIndex((value) => !Number.isFinite(value));
  const row = firstRow + Math.floor(at / outputs);
  return `row ${row}: the answer is ${y[at]}; its numbers are too large for the network in float32`;
}
