import { NUMBER_STYLES, type NumberStyle } from './cells.js';
import {
  DATES,
  defineCell,
  nameSql,
  NUMERIC,
  numberSql,
  plainNumber,
  TEXTS,
  withoutNaN,
  type WrittenColumn,
} from './column-sql.js';
import { type Database, identifier, literal, type ResultRow } from './database.js';
import type { Relation } from './relation.js';

/** What one column holds, over all rows. */
export interface ColumnProfile extends WrittenColumn {
  readonly missing: number;
  /** Different values, about: within a few percent. Of numbers with fractions see `Counted`. */
  readonly distinct: number;
  /** Of numbers. */
  readonly min: number;
  readonly max: number;
  readonly integers: boolean;
  /** Whether it counts the rows: consecutive integers, each once. */
  readonly counts: boolean;
  /** Of a text: cells that are plain numbers, and one that is not. */
  readonly numbers: number;
  readonly odd: string | null;
  /** Whether its commas could be decimal ones or between thousands. */
  readonly ambiguous: boolean;
}

export interface ProfileOptions {
  /** What a comma in a number is, where both are possible. Default: such a column is refused. */
  readonly decimal?: 'auto' | 'comma' | 'point';
  /** Default `integers`. */
  readonly counted?: Counted;
}

export interface TableProfile {
  readonly rows: number;
  readonly columns: readonly ColumnProfile[];
}

/** Whose different values are counted: of numbers with fractions it takes long. */
type Counted = 'integers' | 'all';

/**
 * Looks at every row once; at columns of texts that are not all plain numbers once more.
 *
 * @throws DataError when the rows cannot be read to their end
 */
export async function profileTable(
  database: Database,
  relation: Relation,
  { decimal = 'auto', counted = 'integers' }: ProfileOptions = {},
): Promise<TableProfile> {
  await defineCell(database);
  const { columns, sql } = relation;
  const values = columns.flatMap(({ name, type }, i) => valuesOf(name, type, i));
  const looks = columns.flatMap(({ type }, i) => [
    `count(f${i}) as filled${i}`,
    ...(NUMERIC.test(type) || TEXTS.test(type) || type === 'BOOLEAN'
      ? numberLook(`v${i}`, i, counted)
      : []),
  ]);
  const [row = {}] = await database.rows(
    `select ${['count(*) as n', ...looks].join(', ')} from (select ${values.join(', ')} from ${sql})`,
  );
  const rows = Number(row['n']);
  const profiles: ColumnProfile[] = [];
  for (const [i, { name, type }] of columns.entries()) {
    const profile = profileOf(row, rows, { name, type, i });
    profiles.push(
      TEXTS.test(type) && profile.kind === 'text'
        ? await lookAtTexts(database, sql, { profile, rows, decimal })
        : profile,
    );
  }
  return { rows, columns: profiles };
}

/** `v`: a column's value as a number; `f`: NULL where it has no value, or the file's own gap. */
function valuesOf(name: string, type: string, i: number): string[] {
  const column = identifier(name);
  if (TEXTS.test(type)) {
    const text = `${column}::VARCHAR`;
    return [`${withoutNaN(plainNumber(text))} as v${i}`, `${text} as f${i}`];
  }
  if (NUMERIC.test(type)) {
    const number = withoutNaN(`${column}::DOUBLE`);
    return [`${number} as v${i}`, `${number} as f${i}`];
  }
  return [...(type === 'BOOLEAN' ? [`${column}::DOUBLE as v${i}`] : []), `${column} as f${i}`];
}

/** Sums and different values are needed of columns of integers; counting those of others takes
 * longer than all else. */
function numberLook(value: string, i: number, counted: Counted = 'integers'): string[] {
  const integer = `case when ${value} = floor(${value}) then ${value} end`;
  return [
    `count(${value}) as numbers${i}`,
    `min(${value}) as min${i}`,
    `max(${value}) as max${i}`,
    `coalesce(sum(${integer}), 0) as sum${i}`,
    `count(${integer}) as integers${i}`,
    `approx_count_distinct(${counted === 'all' ? value : integer}) as distinct${i}`,
  ];
}

function profileOf(
  row: ResultRow,
  rows: number,
  { name, type, i }: { name: string; type: string; i: number },
): ColumnProfile {
  const of = (key: string) => row[`${key}${i}`];
  const filled = Number(of('filled'));
  const numbers = Number(of('numbers') ?? 0);
  const [min, max, sum] = [asNumber(of('min')), asNumber(of('max')), asNumber(of('sum'))];
  const integers = numbers > 0 && Number(of('integers')) === numbers;
  const counts =
    integers && numbers === rows && max - min + 1 === rows && sum === ((min + max) / 2) * rows;
  const kind = kindOf(type, filled, numbers);
  return {
    name,
    type,
    kind,
    min,
    max,
    integers,
    counts,
    numbers,
    style: TEXTS.test(type) && kind === 'number' ? (NUMBER_STYLES[0] as NumberStyle) : null,
    missing: rows - filled,
    distinct: Number(of('distinct') ?? filled),
    odd: null,
    ambiguous: false,
  };
}

function kindOf(type: string, filled: number, numbers: number): ColumnProfile['kind'] {
  if (filled === 0) return 'nothing';
  if (type === 'BOOLEAN') return 'boolean';
  if (NUMERIC.test(type)) return 'number';
  if (DATES.test(type)) return 'date';
  if (!TEXTS.test(type)) return 'other';
  return numbers === filled ? 'number' : 'text';
}

/** JSON has no infinity: the database writes it as a text. */
function asNumber(value: unknown): number {
  return value === null || value === undefined ? Number.NaN : Number(value);
}

async function lookAtTexts(
  database: Database,
  from: string,
  of: { profile: ColumnProfile; rows: number; decimal: 'auto' | 'comma' | 'point' },
): Promise<ColumnProfile> {
  const { profile, rows, decimal } = of;
  const styles = NUMBER_STYLES.slice(1);
  const matches = styles.flatMap(({ form, sure }, i) => [
    `count(*) filter (not regexp_matches(c, ${literal(form)})) as unlike${i}`,
    `count(*) filter (regexp_matches(c, ${literal(sure ?? '.')})) as sure${i}`,
  ]);
  const [row = {}] = await database.rows(
    `select count(*) as different, coalesce(sum(n), 0) as filled, ` +
      `coalesce(sum(n) filter (try_cast(c as DOUBLE) is not null), 0) as numbers, ` +
      `count(*) filter (lower(c) not in ('true', 'false')) as unbooleans, ` +
      `count(*) filter (try_cast(c as TIMESTAMP) is null) as undates, ` +
      `min(c) filter (try_cast(c as DOUBLE) is null) as odd, ` +
      `${matches.join(', ')} from (select cell(raw) as c, sum(n) as n from ` +
      `(select ${identifier(profile.name)}::VARCHAR as raw, count(*) as n from ${from} group by raw) ` +
      `group by c) where c is not null`,
  );
  const filled = Number(row['filled']);
  const missing = rows - filled;
  const distinct = Number(row['different']);
  if (filled === 0) return { ...profile, kind: 'nothing', missing, distinct };
  if (Number(row['unbooleans']) === 0) return { ...profile, kind: 'boolean', missing, distinct };
  if (Number(row['undates']) === 0) return { ...profile, kind: 'date', missing, distinct };
  const fitting = styles.filter((_, i) => Number(row[`unlike${i}`]) === 0);
  const said = { auto: '', comma: 'decimal-comma', point: 'thousands' }[decimal];
  const style =
    fitting.find(({ name }) => name === said) ??
    fitting.find((own) => Number(row[`sure${styles.indexOf(own)}`]) > 0);
  const text = {
    ...profile,
    missing,
    distinct,
    numbers: Number(row['numbers']),
    odd: String(row['odd']),
    ambiguous: fitting.length > 0,
  };
  if (style === undefined) return text;
  const numbers = await database.rows(
    `select ${['count(*) as n', ...numberLook(numberSql(profile.name, style), 0)].join(', ')} from ${from}`,
  );
  const read = profileOf({ ...numbers[0], filled0: filled }, rows, {
    name: profile.name,
    type: profile.type,
    i: 0,
  });
  if (read.numbers !== filled) return text;
  return { ...read, kind: 'number', style, odd: null };
}

/** The different texts of a column, the most frequent first; at most `most` + 1 of them. */
export async function textsOf(
  database: Database,
  relation: Relation,
  profile: ColumnProfile,
  most: number,
): Promise<{ text: string; rows: number }[]> {
  const rows = await database.rows(
    `select ${nameSql(profile)} as text, count(*) as n from ${relation.sql} ` +
      `where text is not null group by text order by n desc, text limit ${most + 1}`,
  );
  return rows.map((row) => ({ text: String(row['text']), rows: Number(row['n']) }));
}
