import { DataError } from '../../base/errors.js';

/** What a model predicts: numbers, one class of several, or several yes-or-no answers. */
export const TASKS = ['regress', 'classify', 'multilabel'] as const;
export type Task = (typeof TASKS)[number];

/** A column that the network is fed from. */
export type FeatureColumn =
  | {
      readonly name: string;
      readonly kind: 'number';
      /** A style of `NUMBER_STYLES`, where the file writes numbers as texts; else null. */
      readonly style: string | null;
      /** Whether rows without a value are marked by a feature of their own. */
      readonly gaps: boolean;
      /** Median of the training rows, for rows without a value. */
      readonly median: number;
      readonly min: number;
      readonly max: number;
      /** T + 1 ascending ends of T bins, each a feature; not there: the number is one feature. */
      readonly edges?: readonly number[];
    }
  | { readonly name: string; readonly kind: 'boolean'; readonly gaps: boolean }
  | {
      readonly name: string;
      readonly kind: 'category';
      /** One feature each; with `gaps` one more for rows without a value. */
      readonly values: readonly string[];
      readonly gaps: boolean;
    };

/** A column that is predicted. */
export type TargetColumn =
  | {
      readonly name: string;
      readonly kind: 'number';
      readonly style: string | null;
      /** The network gives (value − mean) / scale. */
      readonly mean: number;
      readonly scale: number;
    }
  | { readonly name: string; readonly kind: 'class'; readonly classes: readonly string[] }
  /** The words for no and yes. */
  | { readonly name: string; readonly kind: 'yes-no'; readonly values: readonly string[] };

/**
 * What was learned about the columns of a table: enough to turn any row of such a table into the
 * network's input, and its output into answers in the table's own words. Plain JSON.
 */
export interface TableSchema {
  /** 2: numbers have `edges`. */
  readonly version: 1 | 2;
  readonly task: Task;
  readonly features: readonly FeatureColumn[];
  readonly targets: readonly TargetColumn[];
  /** A column that is copied beside predictions; null: none. */
  readonly id: string | null;
  /** A column of numbers that says how much a row counts. Not there: all rows count the same. */
  readonly weight?: string;
  /** Columns that are not used, and why. */
  readonly dropped: readonly { readonly name: string; readonly why: string }[];
}

/** The column of weights, as one that is read beside the targets. */
export function weightColumn({ weight }: Pick<TableSchema, 'weight'>): TargetColumn[] {
  if (weight === undefined) return [];
  return [{ name: weight, kind: 'number', style: null, mean: 0, scale: 1 }];
}

/** Features of the network that a column becomes. */
export function widthOf(column: FeatureColumn): number {
  const gaps = column.gaps ? 1 : 0;
  if (column.kind === 'category') return column.values.length + gaps;
  return (binsOf(column)?.length ?? 1) + gaps;
}

/** A bin of a number x: its feature is (x − from) / size, from 0 to 1, but without end below in the
 * first bin and above in the last. */
export interface Bin {
  readonly from: number;
  readonly size: number;
  readonly least: number;
  readonly most: number;
}

/** The bins of a column of numbers that has some; else null. */
export function binsOf(column: FeatureColumn): Bin[] | null {
  if (column.kind !== 'number' || column.edges === undefined) return null;
  const { edges } = column;
  const last = edges.length - 2;
  return edges.slice(0, -1).map((from, t) => ({
    from,
    size: (edges[t + 1] as number) - from,
    least: t === 0 ? -Infinity : 0,
    most: t === last ? Infinity : 1,
  }));
}

/** Features of the network. */
export function featureCount({ features }: Pick<TableSchema, 'features'>): number {
  return features.reduce((sum, column) => sum + widthOf(column), 0);
}

/** Names of the network's features, in order: `rooms`, `rooms is missing`, `kind=flat`, of bins `rooms
 * from 2`. */
export function featureNames({ features }: Pick<TableSchema, 'features'>): string[] {
  return features.flatMap((column) => {
    const own =
      column.kind === 'category'
        ? column.values.map((value) => `${column.name}=${value}`)
        : (binsOf(column)?.map(({ from }) => `${column.name} from ${from}`) ?? [column.name]);
    return column.gaps ? [...own, `${column.name} is missing`] : own;
  });
}

/** Names of the classes, or null where the model predicts something else. */
export function classNames({ targets }: Pick<TableSchema, 'targets'>): readonly string[] | null {
  const [target] = targets;
  return target?.kind === 'class' ? target.classes : null;
}

/** One sentence: `predicts price (regression) from 11 columns: 8 numbers, 2 categories (31 values)`. */
export function summarize(schema: TableSchema): string {
  const { task, targets, features, dropped } = schema;
  const kind = { regress: 'regression', classify: 'classification', multilabel: 'yes or no each' };
  const classes = classNames(schema);
  const names = targets.map(({ name }) => name);
  const what = listed(names, 6);
  const about = classes === null ? kind[task] : `${kind[task]}, ${classes.length} classes`;
  const values = features.reduce(
    (sum, c) => sum + (c.kind === 'category' ? c.values.length : 0),
    0,
  );
  const numbers = features.filter((column) => column.kind === 'number').length;
  const bins = features.reduce((sum, column) => sum + (binsOf(column)?.length ?? 0), 0);
  const booleans = features.filter((column) => column.kind === 'boolean').length;
  const categories = features.length - numbers - booleans;
  const parts = [
    numbers > 0 ? `${numbers} numeric${bins > 0 ? ` (${bins} bins)` : ''}` : '',
    booleans > 0 ? `${booleans} boolean` : '',
    categories > 0
      ? `${categories} categorical (${values} ${values === 1 ? 'value' : 'values'})`
      : '',
    dropped.length > 0 ? `${dropped.length} dropped (${reasons(dropped)})` : '',
  ].filter((part) => part !== '');
  const columns = features.length + dropped.length;
  return `predicts ${what} (${about}) from ${columns} ${columns === 1 ? 'column' : 'columns'}: ${parts.join(', ')}`;
}

/** `a, b, c and 4 more`: with more than `most` names, one less of them. */
export function listed(names: readonly string[], most: number): string {
  if (names.length <= most) return names.join(', ');
  return `${names.slice(0, most - 1).join(', ')} and ${names.length - most + 1} more`;
}

function reasons(dropped: TableSchema['dropped']): string {
  const names = new Map<string, string[]>();
  for (const { name, why } of dropped) names.set(why, [...(names.get(why) ?? []), name]);
  return [...names].map(([why, own]) => `${listed(own, 4)}: ${why}`).join('; ');
}

/**
 * A schema from JSON.
 *
 * @throws DataError for anything that this version does not write
 */
export function parseSchema(where: string, value: unknown): TableSchema {
  const fail = (what: string): never => {
    throw new DataError(
      where,
      `no schema of this version: ${what}; train again, or use the file's own version`,
    );
  };
  const schema = (value ?? {}) as TableSchema;
  if (schema.version !== 1 && schema.version !== 2) {
    fail(`version is ${String(schema.version)}, not 1 or 2`);
  }
  if (!TASKS.includes(schema.task)) fail(`task is ${schema.task}`);
  if (!Array.isArray(schema.features) || !schema.features.every(isFeature)) fail('features');
  if (!Array.isArray(schema.targets) || !schema.targets.every(isTarget)) fail('targets');
  if (schema.features.length === 0 || schema.targets.length === 0) fail('no columns');
  if (schema.id !== null && typeof schema.id !== 'string') fail('id');
  if (!['string', 'undefined'].includes(typeof schema.weight)) fail('weight');
  if (!Array.isArray(schema.dropped)) fail('dropped');
  return schema;
}

const isStrings = (value: unknown): boolean =>
  Array.isArray(value) && value.length > 0 && value.every((text) => typeof text === 'string');

function isFeature(value: unknown): boolean {
  const column = value as FeatureColumn;
  if (typeof column?.name !== 'string' || typeof column.gaps !== 'boolean') return false;
  if (column.kind === 'boolean') return true;
  if (column.kind === 'category') return isStrings(column.values);
  if (column.kind !== 'number' || !isEdges(column.edges)) return false;
  return [column.median, column.min, column.max].every(Number.isFinite);
}

function isEdges(edges: unknown): boolean {
  if (edges === undefined) return true;
  if (!Array.isArray(edges) || edges.length < 3 || !edges.every(Number.isFinite)) return false;
  return edges.every((edge, t) => t === 0 || edge > edges[t - 1]);
}

function isTarget(value: unknown): boolean {
  const column = value as TargetColumn;
  if (typeof column?.name !== 'string') return false;
  if (column.kind === 'class') return isStrings(column.classes);
  if (column.kind === 'yes-no') return isStrings(column.values) && column.values.length === 2;
  return column.kind === 'number' && Number.isFinite(column.mean) && column.scale > 0;
}
