import { isPlainNumber, NUMBER_STYLES } from './cells.js';
import { identifier, literal } from './database.js';
import { nameSql, valueSql } from './profile.js';
import type { Relation } from './relation.js';
import { type FeatureColumn, type TableSchema, type TargetColumn, widthOf } from './schema.js';

/**
 * A column's value as one number, its code: a number as it is, true as 1, a category or class by
 * its place in the schema, −1 for one that the schema does not know, NaN for a gap.
 */
export function codeSql(column: FeatureColumn | TargetColumn, type: string): string {
  const { name } = column;
  if (column.kind === 'boolean') return valueSql({ name, kind: 'boolean', type, style: null });
  if (column.kind === 'number') {
    const style =
      NUMBER_STYLES.find((own) => own.name === column.style) ?? NUMBER_STYLES[0] ?? null;
    return valueSql({ name, kind: 'number', type, style });
  }
  const values = column.kind === 'class' ? column.classes : column.values;
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

/** Writes the network's features of a row from the codes of its columns. */
export type WriteFeatures = (codes: ArrayLike<number>, out: Float32Array, at: number) => void;

/**
 * Gaps of numbers and booleans are written as NaN where `gapsAs` is `nan`: the median is not known
 * before all rows have been read.
 *
 * @returns a function that writes `featureCount(schema)` values from place `at` on
 */
export function featureWriter(
  schema: TableSchema,
  gapsAs: 'median' | 'nan' = 'median',
): WriteFeatures {
  const columns = schema.features.map((column) => ({ column, width: widthOf(column) }));
  return (codes, out, at) => {
    let place = at;
    for (let c = 0; c < columns.length; c++) {
      const { column, width } = columns[c] as (typeof columns)[number];
      const code = codes[c] as number;
      const gap = Number.isNaN(code);
      const last = place + width - 1;
      if (column.kind === 'category') {
        out.fill(0, place, place + width);
        if (gap && column.gaps) out[last] = 1;
        else if (code >= 0) out[place + code] = 1;
      } else {
        if (!gap) out[place] = code;
        else if (gapsAs === 'nan') out[place] = Number.NaN;
        else out[place] = column.kind === 'number' ? column.median : 0;
        if (column.gaps) out[last] = gap ? 1 : 0;
      }
      place += width;
    }
  };
}

/** Places of the features that are numbers, by column; for medians, means and scales. */
export function numberPlaces(schema: TableSchema): { column: number; place: number }[] {
  const places: { column: number; place: number }[] = [];
  let place = 0;
  for (const [i, column] of schema.features.entries()) {
    if (column.kind === 'number') places.push({ column: i, place });
    place += widthOf(column);
  }
  return places;
}
