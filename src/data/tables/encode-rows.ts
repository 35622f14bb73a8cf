import { isMissing, isPlainNumber, NUMBER_STYLES, trimmed } from './cells.js';
import { unknownNote, unusedNote } from './column-notes.js';
import { featureWriter, type WriteFeatures } from './encode.js';
import type { FeatureColumn, TableSchema } from './schema.js';

/** A row by the names of its columns. A gap is null, NaN, or any spelling of "missing". */
export type TableRow = Readonly<Record<string, string | number | boolean | null>>;

const DIGITS = String.raw`\d+(?:_\d+)*`;
/** What the database takes for a number in a text, apart from infinities. */
const NUMBER = new RegExp(
  String.raw`^\+?[+-]?(?:${DIGITS}\.?(?:${DIGITS})?|\.${DIGITS})(?:e[+-]?${DIGITS})?$`,
  'i',
);
const SPACES = /^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g;
/** Names of columns that are not used: more are not listed. */
const MOST_UNUSED = 16;
const LONGEST_SAMPLE = 60;

/** A cell that is no gap as its code, −1 for an unknown category; null: no such column holds it. */
type ReadCell = (cell: string | number | boolean) => number | null;

/** Codes as `codeSql` makes them, of cells that are not in a file. */
function cellReader(column: FeatureColumn): ReadCell {
  if (column.kind === 'number') return numberReader(column.style);
  if (column.kind === 'boolean') {
    return (cell) => {
      if (typeof cell === 'number') return null;
      const text = trimmed(String(cell)).toLowerCase();
      return text === 'true' ? 1 : text === 'false' ? 0 : null;
    };
  }
  const { values } = column;
  if (values.every(isPlainNumber)) {
    const places = new Map(values.map((value, place) => [Number(value), place]));
    const read = numberReader(null);
    return (cell) => places.get(read(cell) ?? Number.NaN) ?? -1;
  }
  const places = new Map(values.map((value, place) => [value, place]));
  const areBooleans = values.join() === 'false,true';
  return (cell) => {
    const text = trimmed(String(cell));
    return places.get(areBooleans ? text.toLowerCase() : text) ?? -1;
  };
}

function numberReader(name: string | null): ReadCell {
  const style = NUMBER_STYLES.find((own) => own.name === name);
  const isPlain = style === undefined || style.name === 'plain';
  const replace = (style?.replace ?? []).map(
    ([pattern, by]) => [new RegExp(pattern, 'g'), by] as const,
  );
  return (cell) => {
    if (typeof cell !== 'string') return Number(cell);
    let text = isPlain ? cell : trimmed(cell);
    for (const [pattern, by] of replace) text = text.replace(pattern, by);
    text = text.replace(SPACES, '');
    if (!NUMBER.test(text)) return null;
    return Number(text.replaceAll('_', '').replace(/^\+/, ''));
  };
}

function isGap(cell: unknown): boolean {
  if (typeof cell === 'string') return isMissing(cell);
  return cell === null || Number.isNaN(cell);
}

interface Column {
  readonly column: FeatureColumn;
  readonly read: ReadCell;
}

/** The columns of a schema, ready to read any number of rows. */
export class NamedColumns {
  readonly schema: TableSchema;
  readonly features: readonly Column[];
  /** Names that the schema has a place for. */
  readonly known: ReadonlySet<string>;
  /** Turns the codes of rows into the network's features. */
  readonly write: WriteFeatures;

  constructor(schema: TableSchema) {
    const { features, targets, dropped, id } = schema;
    const named = [...features, ...targets, ...dropped].map(({ name }) => name);
    this.schema = schema;
    this.write = featureWriter(schema);
    this.features = features.map((column) => ({ column, read: cellReader(column) }));
    this.known = new Set(id === null ? named : [...named, id]);
  }
}

/**
 * Rows that are objects by the names of a table's columns, as the codes that `featureWriter` takes:
 * columns in any order, others passed over, gaps and unknown categories as the table reader treats
 * them.
 */
export class RowEncoder {
  readonly #columns: NamedColumns;
  readonly #unused = new Set<string>();
  /** By column: cells of unknown categories, and the first of them. */
  readonly #unknown = new Map<string, { cells: number; sample: string }>();
  readonly #refuse: (what: string) => Error;

  /** @param refuse makes an error of what is wrong */
  constructor(columns: NamedColumns, refuse: (what: string) => Error) {
    this.#columns = columns;
    this.#refuse = refuse;
  }

  /** Codes of a row. */
  get width(): number {
    return this.#columns.features.length;
  }

  /**
   * @param index of the row, for messages
   * @param codes takes the row's codes from place `at` on
   * @throws what `refuse` makes of columns that the row lacks, or a cell that is not what it should be
   */
  encode(index: number, row: object, codes: Float64Array, at: number): void {
    const cells = row as Readonly<Record<string, unknown>>;
    for (const [place, { column }] of this.#columns.features.entries()) {
      if (!Object.hasOwn(cells, column.name)) throw this.#lacking(index, cells);
      codes[at + place] = this.code(index, place, cells[column.name]);
    }
    for (const name of Object.keys(cells)) this.seen(name);
  }

  /** Says that a column of this name is there. */
  seen(name: string): void {
    if (this.#unused.size > MOST_UNUSED || this.#columns.known.has(name)) return;
    this.#unused.add(name.slice(0, LONGEST_SAMPLE));
  }

  /** The code of a cell of a feature, by its place. @throws as `encode` does */
  code(index: number, place: number, cell: unknown): number {
    if (isGap(cell)) return Number.NaN;
    const { column, read } = this.#columns.features[place] as Column;
    const { name, kind } = column;
    const isCell = ['string', 'number', 'boolean'].includes(typeof cell);
    const code = isCell ? read(cell as string | number | boolean) : null;
    if (code === null) {
      const needs = kind === 'category' ? 'a text or number' : `a ${kind}`;
      throw this.#refuse(`row ${index}: column ${name} holds ${shown(cell)}; ${needs} is needed`);
    }
    if (kind === 'category') {
      if (code < 0) this.#countUnknown(name, String(cell));
    } else if (!Number.isFinite(Math.fround(code))) {
      const what = `column ${name} holds ${shown(cell)}, which is not finite in float32`;
      throw this.#refuse(`row ${index}: ${what}`);
    }
    return code;
  }

  /** What people should know of the rows so far: columns not used, unknown categories. */
  get notes(): string[] {
    const unknown = [...this.#unknown].map(([name, { cells, sample }]) =>
      unknownNote(name, cells, sample),
    );
    const names = [...this.#unused];
    if (names.length > MOST_UNUSED) names[MOST_UNUSED] = '…';
    return names.length === 0 ? unknown : [...unknown, unusedNote(names)];
  }

  #countUnknown(name: string, cell: string): void {
    const found = this.#unknown.get(name) ?? { cells: 0, sample: cell.slice(0, LONGEST_SAMPLE) };
    this.#unknown.set(name, { ...found, cells: found.cells + 1 });
  }

  #lacking(index: number, row: Readonly<Record<string, unknown>>): Error {
    const names = this.#columns.features.map(({ column }) => column.name);
    const lacking = names.filter((name) => !Object.hasOwn(row, name));
    const columns = lacking.length === 1 ? 'column' : 'columns';
    const them = lacking.length === 1 ? 'it' : 'them';
    const what = `no ${columns} ${lacking.join(', ')}; the model needs ${them}`;
    return this.#refuse(`row ${index}: ${what} (null where there is no value)`);
  }
}

function shown(cell: unknown): string {
  if (typeof cell === 'string') return JSON.stringify(cell.slice(0, LONGEST_SAMPLE));
  if (typeof cell === 'number' || typeof cell === 'boolean') return String(cell);
  return Array.isArray(cell) ? 'a list' : `an ${typeof cell}`;
}

/** What the rows are called; null where the schema has no such column, or none of the rows. */
export function idsOf(
  { id }: Pick<TableSchema, 'id'>,
  rows: readonly object[],
): (string | null)[] | null {
  if (id === null || !rows.some((row) => Object.hasOwn(row, id))) return null;
  return rows.map((row) => idIn(id, row));
}

/** The id of a row as a text; null: it has none. */
export function idIn(id: string, row: object): string | null {
  const cell = Object.hasOwn(row, id) ? (row as Record<string, unknown>)[id] : null;
  return typeof cell === 'string' ? cell : typeof cell === 'number' ? String(cell) : null;
}
