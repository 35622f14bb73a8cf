import { DataError } from '../../base/errors.js';
import { type Database, identifier } from './database.js';
import { codeSql, readCodeSql, typeOf } from './encode.js';
import { unknownNote, unusedNote } from './column-notes.js';
import type { Relation } from './relation.js';
import { type FeatureColumn, type TableSchema, type TargetColumn, weightColumn } from './schema.js';

/** A table seen through a schema, which may come from another table: columns go by their names. */
export class TableView {
  readonly database: Database;
  readonly relation: Relation;
  readonly location: string;
  readonly schema: TableSchema;
  /** What is read: the features, with `targets` these too. */
  readonly #columns: readonly (FeatureColumn | TargetColumn)[];

  /** @throws DataError naming every column that the table lacks */
  constructor(of: {
    readonly database: Database;
    readonly relation: Relation;
    readonly location: string;
    readonly schema: TableSchema;
    /** Whether targets are needed. */
    readonly targets: boolean;
  }) {
    this.database = of.database;
    this.relation = of.relation;
    this.location = of.location;
    this.schema = of.schema;
    const { features, targets } = of.schema;
    this.#columns = of.targets ? [...features, ...targets, ...weightColumn(of.schema)] : features;
    const needed = this.#columns.map(({ name }) => name);
    const lacking = needed.filter((name) => typeOf(of.relation, name) === null);
    if (lacking.length === 0) return;
    const names = of.relation.columns.map(({ name }) => name).join(', ');
    throw new DataError(
      'data',
      `${of.location}: no ${lacking.length === 1 ? 'column' : 'columns'} ${lacking.join(', ')}; ` +
        `the model needs ${lacking.length === 1 ? 'it' : 'them'}, and the table has ${names}`,
    );
  }

  /** SQL of the code of a column that the table has. */
  codeSql(column: FeatureColumn | TargetColumn): string {
    return codeSql(column, this.#typeOf(column.name));
  }

  /** The same where NaN may stand for a gap: it takes less time. */
  readSql(column: FeatureColumn | TargetColumn): string {
    return readCodeSql(column, this.#typeOf(column.name));
  }

  #typeOf(name: string): string {
    return typeOf(this.relation, name) ?? '';
  }

  /**
   * Looks at every row for cells that hold something, but not what the schema says of their column.
   *
   * @returns notes: columns that are not used, categories that are not known
   * @throws DataError for the first column with such a cell, other than a category
   */
  async check(): Promise<string[]> {
    const looks = this.#columns.flatMap((column, i) => this.#look(column, i));
    const [row = {}] = await this.database.rows(
      `select ${looks.join(', ')} from ${this.relation.sql}`,
    );
    const notes: string[] = [];
    for (const [i, column] of this.#columns.entries()) {
      const bad = Number(row[`bad${i}`]);
      if (bad === 0) continue;
      const sample = String(row[`sample${i}`]);
      if (column.kind === 'category') {
        notes.push(unknownNote(column.name, bad, sample));
        continue;
      }
      const needs =
        column.kind === 'class'
          ? `its classes are ${column.classes.slice(0, 8).join(', ')}`
          : column.kind === 'yes-no'
            ? `it is ${column.values.join(' or ')}`
            : `a ${column.kind} is needed`;
      throw new DataError(
        'data',
        `${this.location}: column ${column.name} holds ${JSON.stringify(sample)}; ${needs}`,
      );
    }
    return [...notes, ...this.#unused()];
  }

  #unused(): string[] {
    const { features, targets, id, dropped } = this.schema;
    const weight = weightColumn(this.schema);
    const known = new Set([...features, ...targets, ...weight, ...dropped].map(({ name }) => name));
    const extra = this.relation.columns.filter(
      ({ name }) => !known.has(name) && name !== id && !this.relation.indexes.has(name),
    );
    if (extra.length === 0) return [];
    return [unusedNote(extra.map(({ name }) => name))];
  }

  #look(column: FeatureColumn | TargetColumn, i: number): string[] {
    const type = this.#typeOf(column.name);
    const code = this.codeSql(column);
    const cell = `${identifier(column.name)}::VARCHAR`;
    const filled = /^(VARCHAR|ENUM)/.test(type) ? `cell(${cell})` : cell;
    const named = ['category', 'class', 'yes-no'].includes(column.kind);
    const wrong = named ? `coalesce(${code}, -1) = -1` : `(${code}) is null`;
    const bad = `${filled} is not null and lower(${cell}) <> 'nan' and ${wrong}`;
    return [
      `count(*) filter (${bad}) as bad${i}`,
      `any_value(${cell}) filter (${bad}) as sample${i}`,
    ];
  }
}
