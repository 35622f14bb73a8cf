import { DataError } from '../../base/errors.js';
import { type Database, openDatabase } from './database.js';
import { type ColumnChoices, type InferredSchema, inferSchema } from './infer-schema.js';
import { type ColumnProfile, profileTable, textsOf } from './profile.js';
import { ColumnError } from './refuse-column.js';
import { openRelation, type Relation } from './relation.js';
import type { TableSchema } from './schema.js';

/** What one column of a table holds, and what a run would make of it. */
export interface InspectedColumn {
  readonly name: string;
  readonly kind: 'integer' | Exclude<ColumnProfile['kind'], 'other'> | 'unknown';
  /** Rows without a value. */
  readonly gaps: number;
  /** Different values, of many about. */
  readonly distinct: number;
  /** Of numbers; null: the column holds others. */
  readonly range: readonly [min: number, max: number] | null;
  /** Of texts and booleans, the most frequent. */
  readonly values: readonly string[];
  /** `refused` columns have to be left out or mended before a run; `why` says more. */
  readonly use: 'feature' | 'target' | 'id' | 'dropped' | 'refused';
  readonly why: string | null;
}

/** A table as a run would see it. */
export interface TableInspection {
  readonly rows: number;
  readonly columns: readonly InspectedColumn[];
  /** Medians, means and scales are still to be fitted. null: `problem` comes first. */
  readonly schema: TableSchema | null;
  readonly notes: readonly string[];
  readonly warnings: readonly string[];
  /** Why no run can begin with this table and these choices. */
  readonly problem: string | null;
}

const MOST_VALUES = 5;

/**
 * Looks at every row of a table, and at what would be target, task and features. A column that
 * cannot be used is marked, and the others are judged without it.
 *
 * @throws DataError for a table that cannot be read
 */
export async function inspectTable(
  location: string,
  choices: ColumnChoices = {},
): Promise<TableInspection> {
  const database = await openDatabase();
  try {
    const relation = await openRelation(database, location);
    const profile = await profileTable(database, relation, { counted: 'all' });
    const refused = new Map<string, string>();
    let found: InferredSchema | null = null;
    let problem: string | null = null;
    while (found === null && problem === null) {
      const ignore = [...(choices.ignore ?? []), ...refused.keys()];
      try {
        const input = { database, relation, profile, where: location };
        found = await inferSchema(input, { ...choices, ignore });
      } catch (error) {
        if (!(error instanceof DataError)) throw error;
        const isColumn = error instanceof ColumnError && !ignore.includes(error.column);
        if (isColumn && choices.targets?.includes(error.column) !== true) {
          refused.set(error.column, error.what);
        } else problem = error.message;
      }
    }
    const judge = { schema: found?.schema ?? null, refused };
    const columns: InspectedColumn[] = [];
    for (const column of profile.columns) {
      columns.push(await inspectColumn(database, relation, { column, ...judge }));
    }
    const { schema = null, notes = [], warnings = [] } = found ?? {};
    return { rows: profile.rows, columns, schema, notes, warnings, problem };
  } finally {
    database.close();
  }
}

async function inspectColumn(
  database: Database,
  relation: Relation,
  of: {
    readonly column: ColumnProfile;
    readonly schema: TableSchema | null;
    readonly refused: ReadonlyMap<string, string>;
  },
): Promise<InspectedColumn> {
  const { column } = of;
  const { name, kind, missing, min, max } = column;
  const named = kind === 'text' || kind === 'boolean';
  const texts = named ? await textsOf(database, relation, column, MOST_VALUES) : [];
  return {
    name,
    kind: kind === 'other' ? 'unknown' : kind === 'number' && column.integers ? 'integer' : kind,
    gaps: missing,
    // A boolean is counted as the number that it becomes.
    distinct: texts.length <= MOST_VALUES && named ? texts.length : column.distinct,
    range: kind === 'number' ? [min, max] : null,
    values: texts.slice(0, MOST_VALUES).map(({ text }) => text),
    ...useOf(name, of.schema, of.refused),
  };
}

function useOf(
  name: string,
  schema: TableSchema | null,
  refused: ReadonlyMap<string, string>,
): Pick<InspectedColumn, 'use' | 'why'> {
  const refusal = refused.get(name);
  if (refusal !== undefined) return { use: 'refused', why: refusal };
  if (schema?.targets.some((target) => target.name === name)) return { use: 'target', why: null };
  if (schema?.id === name) return { use: 'id', why: null };
  const dropped = schema?.dropped.find((column) => column.name === name);
  return dropped ? { use: 'dropped', why: dropped.why } : { use: 'feature', why: null };
}

/** `40 to 239`, or `3: flat, house, villa`, or `about 4,000: a, b, …`. */
export function valuesText({ range, distinct, values }: InspectedColumn): string {
  if (range !== null) return rangeText(range);
  if (values.length === 0) return '';
  const more = distinct > values.length ? ', …' : '';
  return `${distinct}: ${values.map(shortText).join(', ')}${more}`;
}

/** `0.5 to 12.345`, with five digits. */
export function rangeText(range: readonly [min: number, max: number]): string {
  return range.map(shortNumber).join(' to ');
}

const shortNumber = (value: number) => String(Number(value.toPrecision(5)));
const shortText = (text: string) => (text.length > 24 ? `${text.slice(0, 23)}…` : text);
