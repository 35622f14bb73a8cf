import { isPlainNumber, NUMBER_STYLES } from './cells.js';
import { nameSql, readSql, valueSql } from './column-sql.js';
import { identifier, literal } from './database.js';
import type { Relation } from './relation.js';
import {
  type Bin,
  binsOf,
  type FeatureColumn,
  featureCount,
  type TableSchema,
  type TargetColumn,
  widthOf,
} from './schema.js';

/**
 * A column's value as one number, its code: a number as it is, true as 1, a category or class by
 * its place in the schema, −1 for one that the schema does not know, NULL for a gap.
 */
export function codeSql(column: FeatureColumn | TargetColumn, type: string): string {
  const plain = plainColumn(column, type);
  return plain === null ? namedCodeSql(column, type) : valueSql(plain);
}

/** The same, with NULL or NaN for a gap. */
export function readCodeSql(column: FeatureColumn | TargetColumn, type: string): string {
  const plain = plainColumn(column, type);
  return plain === null ? namedCodeSql(column, type) : readSql(plain);
}

/** A column of numbers or booleans as SQL is made of it; null of others. */
function plainColumn(column: FeatureColumn | TargetColumn, type: string) {
  const { name, kind } = column;
  if (kind === 'boolean') return { name, kind, type, style: null };
  if (kind !== 'number') return null;
  const style = NUMBER_STYLES.find((own) => own.name === column.style) ?? NUMBER_STYLES[0] ?? null;
  return { name, kind, type, style };
}

function namedCodeSql(column: FeatureColumn | TargetColumn, type: string): string {
  const { name } = column;
  const values = column.kind === 'class' ? column.classes : 'values' in column ? column.values : [];
  const kind = values.every(isPlainNumber) ? 'number' : areBooleans(values) ? 'boolean' : 'text';
  const text = nameSql({ name, kind, type, style: NUMBER_STYLES[0] ?? null });
  const list = values.map(literal).join(', ');
  return (
    `case when cell(${identifier(name)}::VARCHAR) is null then null ` +
    `else coalesce(enum_code(try_cast(${text} as ENUM(${list}))), -1) end::DOUBLE`
  );
}

const areBooleans = (values: readonly string[]) => values.join() === 'false,true';

/** The type that a relation has for a column; null where it has no such column. */
export function typeOf(relation: Relation, name: string): string | null {
  return relation.columns.find((column) => column.name === name)?.type ?? null;
}

/** Codes of rows: that of row r in column c is `columns[c][r * stride]`. */
export interface Codes {
  readonly rows: number;
  readonly columns: readonly ArrayLike<number>[];
  readonly stride: number;
}

/** Codes that stand one row behind the other. @param width codes of a row */
export function rowCodes(codes: Float64Array, width: number): Codes {
  const columns = Array.from({ length: width }, (_, column) => codes.subarray(column));
  return { rows: codes.length / width, columns, stride: width };
}

/** Writes the network's features of rows, one row behind the other. */
export type WriteFeatures = (codes: Codes, out: Float32Array) => void;

export interface FeatureWriterOptions {
  /** Gaps of numbers are written as NaN where this is `nan`: a median is not known before all rows
   * have been read. Default `median`. */
  readonly gapsAs?: 'median' | 'nan';
  /** Floats from one row to the next. Default: as many as there are features. */
  readonly record?: number;
}

/** Makes a writer of the features of a schema. */
export function featureWriter(
  schema: Pick<TableSchema, 'features'>,
  { gapsAs = 'median', record = featureCount(schema) }: FeatureWriterOptions = {},
): WriteFeatures {
  const { features } = schema;
  return ({ rows, columns, stride }, out) => {
    let place = 0;
    for (const [c, column] of features.entries()) {
      const codes = { codes: columns[c] ?? [], rows, stride };
      const to = { out, place, record };
      if (column.kind === 'category') writeCategory(codes, to, column);
      else {
        const number = { gaps: column.gaps, fill: fillOf(column, gapsAs) };
        const bins = binsOf(column);
        if (bins === null) writeNumber(codes, to, number);
        else writeBins(codes, to, { ...number, bins });
      }
      place += widthOf(column);
    }
  };
}

function fillOf(column: FeatureColumn, gapsAs: 'median' | 'nan'): number {
  if (column.kind !== 'number') return 0;
  return gapsAs === 'nan' ? Number.NaN : column.median;
}

interface ColumnCodes extends Pick<Codes, 'rows' | 'stride'> {
  readonly codes: ArrayLike<number>;
}

/** The column's first feature of the first row is at `place`. */
interface ColumnPlace {
  readonly out: Float32Array;
  readonly place: number;
  readonly record: number;
}

function writeNumber(
  { codes, rows, stride }: ColumnCodes,
  { out, place, record }: ColumnPlace,
  { gaps, fill }: { readonly gaps: boolean; readonly fill: number },
): void {
  for (let row = 0, from = 0, to = place; row < rows; row++, from += stride, to += record) {
    const code = codes[from] as number;
    const isGap = Number.isNaN(code);
    out[to] = isGap ? fill : code;
    if (gaps) out[to + 1] = isGap ? 1 : 0;
  }
}

function writeBins(
  { codes, rows, stride }: ColumnCodes,
  { out, place, record }: ColumnPlace,
  {
    gaps,
    fill,
    bins,
  }: { readonly gaps: boolean; readonly fill: number; readonly bins: readonly Bin[] },
): void {
  for (let row = 0, at = 0, to = place; row < rows; row++, at += stride, to += record) {
    const code = codes[at] as number;
    const isGap = Number.isNaN(code);
    const value = isGap ? fill : code;
    for (let t = 0; t < bins.length; t++) {
      const { from, size, least, most } = bins[t] as Bin;
      out[to + t] = Math.min(most, Math.max(least, (value - from) / size));
    }
    if (gaps) out[to + bins.length] = isGap ? 1 : 0;
  }
}

function writeCategory(
  { codes, rows, stride }: ColumnCodes,
  { out, place, record }: ColumnPlace,
  { values, gaps }: { readonly values: readonly string[]; readonly gaps: boolean },
): void {
  const width = values.length + (gaps ? 1 : 0);
  for (let row = 0, from = 0, to = place; row < rows; row++, from += stride, to += record) {
    const code = codes[from] as number;
    for (let i = to; i < to + width; i++) out[i] = 0;
    if (code >= 0) out[to + code] = 1;
    else if (gaps && Number.isNaN(code)) out[to + width - 1] = 1;
  }
}

/** Places of the features that are numbers, or bins of one, by column; for medians, means and scales. */
export function numberPlaces(schema: TableSchema): { column: number; place: number }[] {
  const places: { column: number; place: number }[] = [];
  let place = 0;
  for (const [i, column] of schema.features.entries()) {
    const count = column.kind === 'number' ? (binsOf(column)?.length ?? 1) : 0;
    for (let t = 0; t < count; t++) places.push({ column: i, place: place + t });
    place += widthOf(column);
  }
  return places;
}
