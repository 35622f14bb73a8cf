import { BLANKS, MISSING_SPELLINGS, type NumberStyle } from './cells.js';
import { type Database, identifier, literal } from './database.js';

/** A column, and how its values are written. */
export interface WrittenColumn {
  readonly name: string;
  readonly kind: 'number' | 'boolean' | 'text' | 'date' | 'nothing' | 'other';
  /** The database's type. */
  readonly type: string;
  /** How its texts write numbers; null for columns that are numbers already, or none. */
  readonly style: NumberStyle | null;
}

/** Defines `cell(c)`: a trimmed text, NULL for every spelling of "missing". */
export async function defineCell(database: Database): Promise<void> {
  const trimmed = `trim(c, ${literal(BLANKS)})`;
  const spellings = MISSING_SPELLINGS.map(literal).join(', ');
  await database.rows(
    `create or replace macro cell(c) as ` +
      `case when lower(${trimmed}) in (${spellings}) then null else ${trimmed} end`,
  );
}

export const NUMERIC = /^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL.*)$/;
export const DATES = /^(DATE|TIME|TIMESTAMP|INTERVAL)/;
export const TEXTS = /^(VARCHAR|ENUM)/;

/** The number in a plain text; NULL for anything else but `nan`. Faster than looking for gaps. */
export const plainNumber = (text: string) => `try_cast(${text} as DOUBLE)`;

/** SQL for the number in a column of texts; NULL or NaN for a gap. */
export function numberSql(name: string, style: NumberStyle | null): string {
  const whole = `${identifier(name)}::VARCHAR`;
  if (style === null || style.name === 'plain') return plainNumber(whole);
  let text = `cell(${whole})`;
  for (const [pattern, by] of style.replace) {
    text = `regexp_replace(${text}, ${literal(pattern)}, ${literal(by)}, 'g')`;
  }
  return `try_cast(${text} as DOUBLE)`;
}

/** SQL for a column as a FLOAT or DOUBLE: its number, or 1 and 0 for true and false; NULL or NaN for
 * a gap. */
export function readSql({ name, kind, type, style }: WrittenColumn): string {
  const column = identifier(name);
  if (kind === 'boolean') {
    return type === 'BOOLEAN'
      ? `${column}::DOUBLE`
      : `case lower(cell(${column}::VARCHAR)) when 'true' then 1 when 'false' then 0 end::DOUBLE`;
  }
  if (TEXTS.test(type)) return numberSql(name, style);
  return type === 'FLOAT' ? column : `${column}::DOUBLE`;
}

/** The same as a DOUBLE, and NULL for every gap. */
export function valueSql(column: WrittenColumn): string {
  const sql = readSql(column);
  return column.kind === 'boolean' ? sql : withoutNaN(`${sql}::DOUBLE`);
}

/** NaN in a file is a gap. (`nullif` is optimized away where a file's statistics know no NaN.) */
export function withoutNaN(value: string): string {
  return `case when isnan(${value}) then null else ${value} end`;
}

/** SQL for a column as the name of a category or class; NULL for a gap. 1, 1.0 and +1 are one. */
export function nameSql(column: WrittenColumn): string {
  const text = `cell(${identifier(column.name)}::VARCHAR)`;
  if (column.kind === 'boolean') return `lower(${text})`;
  if (column.kind !== 'number') return text;
  const value = valueSql(column);
  return (
    `case when ${value} = floor(${value}) and abs(${value}) < 1e15 ` +
    `then (${value})::BIGINT::VARCHAR else (${value})::VARCHAR end`
  );
}
