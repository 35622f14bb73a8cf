import { DataError } from '../../base/errors.js';
import { MAX_CLASSES } from '../dataset.js';
import { sortedNames } from '../readers/raw-table.js';
import { chooseTarget, chooseTask, type Chosen } from './choose-target.js';
import type { Database } from './database.js';
import { type ColumnProfile, type TableProfile, textsOf } from './profile.js';
import { ColumnError, refuseColumn } from './refuse-column.js';
import type { Relation } from './relation.js';
import type { FeatureColumn, TableSchema, TargetColumn, Task } from './schema.js';

/** What people may say about the columns of a table; the rest is found out. */
export interface ColumnChoices {
  /** Columns to predict. Default: see `chooseTarget`. */
  readonly targets?: readonly string[];
  readonly task?: Task;
  /** Columns to leave out. */
  readonly ignore?: readonly string[];
  /** Numbers that are names of something: each value becomes a feature. */
  readonly categorical?: readonly string[];
  readonly id?: string;
  /** How much each row counts: numbers of at least 0. */
  readonly weight?: string;
  /** `fill`: medians and markers; `error`: a gap in a feature is refused. Default `fill`. */
  readonly missing?: 'fill' | 'error';
  /** What integers that could be classes are taken for. */
  readonly prefers?: Task;
  /** Whether targets are counts or rates: at least 0, and scaled by their mean alone. */
  readonly rates?: boolean;
}

export interface InferredSchema {
  /** Medians, means and scales are still 0, 0 and 1, and no number has bins: these come from the
   * training rows. */
  readonly schema: TableSchema;
  /** What was decided, for people. */
  readonly notes: readonly string[];
  readonly warnings: readonly string[];
}

/** More different texts than this make no useful features of their own. */
const MOST_CATEGORIES = 1000;

/**
 * Decides what each column is.
 *
 * @param where the location, for messages
 * @throws DataError for names that are not there, ambiguous targets, and columns that cannot be
 *   used as they are, with the flag or query that mends it
 */
export async function inferSchema(
  input: { database: Database; relation: Relation; profile: TableProfile; where: string },
  choices: ColumnChoices,
): Promise<InferredSchema> {
  const inference = new Inference(input, choices);
  return inference.run();
}

class Inference {
  readonly #input: Parameters<typeof inferSchema>[0];
  readonly #choices: ColumnChoices;
  readonly #dropped: { name: string; why: string }[] = [];
  readonly #notes: string[] = [];
  readonly #warnings: string[] = [];

  constructor(input: Parameters<typeof inferSchema>[0], choices: ColumnChoices) {
    this.#input = input;
    this.#choices = choices;
  }

  async run(): Promise<InferredSchema> {
    const { profile, relation, where } = this.#input;
    const { ignore = [], id = null, categorical = [], weight } = this.#choices;
    const apart = [...(id === null ? [] : [id]), ...(weight === undefined ? [] : [weight])];
    if (profile.rows === 0) throw this.#error('no rows; at least one is needed');
    const named = [...ignore, ...categorical, ...(this.#choices.targets ?? [])];
    for (const name of [...named, ...apart]) {
      this.#column(name);
    }
    const usable = profile.columns.filter((column) => {
      const why = ignore.includes(column.name)
        ? 'ignored'
        : apart.includes(column.name) || this.#isTarget(column.name)
          ? null
          : this.#indexReason(column);
      if (why !== null) this.#drop(column.name, why);
      else if (column.kind === 'nothing') this.#drop(column.name, 'no values');
      return why === null && column.kind !== 'nothing' && !apart.includes(column.name);
    });
    const targets = this.#choices.targets?.map((name) => this.#column(name)) ?? [
      this.#noted(chooseTarget(usable, where)),
    ];
    const task = this.#noted(chooseTask(targets, this.#choices, where));
    const features: FeatureColumn[] = [];
    for (const column of usable) {
      if (targets.includes(column)) continue;
      const feature = await this.#feature(column);
      if (feature !== null) features.push(feature);
    }
    if (features.length === 0) {
      const out = this.#dropped.map(({ name, why }) => `${name}: ${why}`).join('; ');
      const what = 'no feature columns beside the target';
      throw this.#error(out === '' ? what : `${what} (left out: ${out})`);
    }
    const schema: TableSchema = {
      version: 1,
      task,
      features,
      targets: await Promise.all(targets.map((column) => this.#target(column, task))),
      id,
      ...(weight !== undefined && { weight: this.#weight(weight) }),
      dropped: this.#dropped,
    };
    const gaps = targets.reduce((sum, column) => Math.max(sum, column.missing), 0);
    if (gaps > 0)
      this.#notes.push(`${gaps} of ${profile.rows} rows have no target and are left out`);
    if (gaps === profile.rows) throw this.#error(`no row has a value in ${targets[0]?.name}`);
    return {
      schema,
      notes: [...relation.notes.map((note) => `${where}: ${note}`), ...this.#notes],
      warnings: this.#warnings,
    };
  }

  #noted<T>({ chosen, notes }: Chosen<T>): T {
    this.#notes.push(...notes);
    return chosen;
  }

  #error(what: string): DataError {
    return new DataError('data', `${this.#input.where}: ${what}`);
  }

  #refused(column: string, what: string): ColumnError {
    return new ColumnError(this.#input.where, column, what);
  }

  #column(name: string): ColumnProfile {
    const { columns } = this.#input.profile;
    const found = columns.find((column) => column.name === name);
    if (found !== undefined) return found;
    const names = columns.map((column) => column.name);
    const shown = names.length > 12 ? [...names.slice(0, 12), '…'] : names;
    throw this.#error(`no column ${name}; it has ${shown.join(', ')}`);
  }

  #weight(name: string): string {
    const { kind, missing, min, max, style } = this.#column(name);
    const isPlain = kind === 'number' && (style === null || style.about === '');
    if (!isPlain) throw this.#refused(name, 'holds no plain numbers, which weights are');
    if (missing > 0) throw this.#refused(name, `has ${missing} gaps; every row needs a weight`);
    if (!(min >= 0 && max > 0)) {
      throw this.#refused(
        name,
        `goes from ${min} to ${max}; weights are at least 0, and not all 0`,
      );
    }
    if (this.#isTarget(name)) throw this.#refused(name, 'cannot be both target and weight');
    return name;
  }

  #isTarget(name: string): boolean {
    return this.#choices.targets?.includes(name) ?? false;
  }

  #indexReason({ name, counts }: ColumnProfile): string | null {
    const why = this.#input.relation.indexes.get(name);
    if (why === undefined) return null;
    return why.startsWith('pandas') || counts ? why : null;
  }

  async #target(column: ColumnProfile, task: Task): Promise<TargetColumn> {
    const { name, kind } = column;
    if (task === 'regress') {
      if (kind !== 'number') {
        const odd = column.odd === null ? '' : ` (${JSON.stringify(column.odd)})`;
        throw this.#error(`column ${name} holds texts${odd}; ${this.#taskOfTexts(column)}`);
      }
      if (this.#choices.rates && column.min < 0) {
        throw this.#refused(
          name,
          `goes down to ${column.min}; poisson predicts numbers of at least 0`,
        );
      }
      return { name, kind: 'number', style: column.style?.name ?? null, mean: 0, scale: 1 };
    }
    if (task === 'multilabel') return this.#answer(column);
    if ((this.#choices.targets?.length ?? 1) > 1) {
      throw this.#error(
        'several targets cannot be classes; classify takes one target, multilabel several of yes or no',
      );
    }
    this.#refuseMixed(column, 'target');
    const found = await textsOf(this.#input.database, this.#input.relation, column, MAX_CLASSES);
    const rows = this.#input.profile.rows;
    if (found.length > MAX_CLASSES) {
      throw this.#error(
        `column ${name} has more than ${MAX_CLASSES} classes; --task regress fits numbers`,
      );
    }
    if (found.length < 2) {
      const [only] = found;
      throw this.#error(
        `column ${name} is ${only?.text ?? 'empty'} in every row: one class, nothing to tell apart`,
      );
    }
    if (found.length > rows / 10 && rows >= 20) {
      const instead = kind === 'number' ? '; --task regress fits numbers instead' : '';
      this.#warnings.push(
        `${name} has ${found.length} classes in ${rows} rows: few rows for each${instead}`,
      );
    }
    return { name, kind: 'class', classes: sortedNames(found.map(({ text }) => text)) };
  }

  /** What to do about a target of texts that was to be numbers. */
  #taskOfTexts({ name, distinct }: ColumnProfile): string {
    if ((this.#choices.targets?.length ?? 1) < 2) return '--task classify predicts them';
    if (distinct <= 2) return '--task multilabel predicts several columns of yes or no';
    return `of several targets texts can only be yes or no; --target ${name} predicts it alone`;
  }

  /** A target of yes or no. */
  async #answer(column: ColumnProfile): Promise<TargetColumn> {
    const { name } = column;
    const found = await textsOf(this.#input.database, this.#input.relation, column, 2);
    if (found.length !== 2) {
      const what =
        found.length < 2
          ? `is ${found[0]?.text ?? 'empty'} in every row`
          : 'has more than two values';
      throw this.#refused(name, `${what}; multilabel predicts columns of yes or no`);
    }
    const values = sortedNames(found.map(({ text }) => text));
    if (!/^(0,1|-1,1|false,true|no,yes|n,y|f,t)$/i.test(values.join())) {
      this.#notes.push(`${name}: ${values[1]} is taken as yes, ${values[0]} as no`);
    }
    return { name, kind: 'yes-no', values };
  }

  async #feature(column: ColumnProfile): Promise<FeatureColumn | null> {
    const { name, kind, missing, min, max } = column;
    const gaps = missing > 0;
    refuseColumn(column, this.#input.where);
    if (gaps && this.#choices.missing === 'error') {
      throw this.#refused(name, `has ${missing} gaps, and --missing error refuses them`);
    }
    const categorical = this.#choices.categorical?.includes(name) ?? false;
    if (kind === 'text' || categorical) return this.#category(column, categorical);
    if (min === max && !gaps) return this.#drop(name, `always ${min}`);
    if (kind === 'boolean') return { name, kind, gaps };
    if (column.style !== null && column.style.about !== '') {
      this.#notes.push(`${name}: ${column.style.about}`);
    }
    if (column.counts && /^(id|index|row|key|no|nr)$|_id$/i.test(name)) {
      this.#warnings.push(`${name} counts the rows: --ignore ${name} leaves it out`);
    }
    return { name, kind: 'number', style: column.style?.name ?? null, gaps, median: 0, min, max };
  }

  async #category(column: ColumnProfile, asked: boolean): Promise<FeatureColumn | null> {
    const { name, missing } = column;
    if (!asked) this.#refuseMixed(column, 'feature');
    const found = await textsOf(
      this.#input.database,
      this.#input.relation,
      column,
      MOST_CATEGORIES,
    );
    const rows = this.#input.profile.rows;
    if (found.length === 1 && missing === 0) return this.#drop(name, `always ${found[0]?.text}`);
    if (found.length > MOST_CATEGORIES || (found.length > rows / 2 && found.length > 20)) {
      throw this.#refused(
        name,
        `holds ${found.length > MOST_CATEGORIES ? `more than ${MOST_CATEGORIES}` : found.length} ` +
          `different texts in ${rows} rows, too many to learn from; --ignore ${name}, or --id ${name}`,
      );
    }
    return {
      name,
      kind: 'category',
      values: sortedNames(found.map(({ text }) => text)),
      gaps: missing > 0,
    };
  }

  /** Numbers with something else among them are a mistake more often than categories. */
  #refuseMixed(
    { name, kind, numbers, missing, odd }: ColumnProfile,
    role: 'feature' | 'target',
  ): void {
    const filled = this.#input.profile.rows - missing;
    if (kind !== 'text' || numbers * 2 < filled || numbers === 0) return;
    const instead =
      role === 'target' ? '' : `, take all values as categories: --categorical ${name},`;
    throw this.#refused(
      name,
      `holds numbers and ${JSON.stringify(odd)}; correct that cell${instead} or leave it out: --ignore ${name}`,
    );
  }

  #drop(name: string, why: string): null {
    this.#dropped.push({ name, why });
    return null;
  }
}
