import { mkdtempSync, rmSync } from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import path from 'node:path';
import { DataError } from '../../base/errors.js';
import type { AnswerShape, DataParts, RecordsDataset, RowTally } from '../dataset.js';
import { validationRows } from '../splits.js';
import type { Standardization } from '../standardize.js';
import { openDatabase } from './database.js';
import { featureWriter } from './encode.js';
import { fitSchema, standardizationOf } from './fit-schema.js';
import { type ColumnChoices, inferSchema } from './infer-schema.js';
import { defineCell, profileTable } from './profile.js';
import { openRelation } from './relation.js';
import { FileStore, MemoryStore, type RowStore } from './row-store.js';
import { featureCount, type TableSchema, weightColumn } from './schema.js';
import { TableView } from './table-view.js';

export interface ReadTableOptions extends ColumnChoices {
  readonly header?: boolean | 'auto';
  /** What a comma in a number is, where both are possible. Default: such a column is refused. */
  readonly decimal?: 'auto' | 'comma' | 'point';
  /** Share of the rows to validate on, above 0 and below 1, or null. Default null. */
  readonly validation?: number | null;
  /** Chooses the rows of the validation share. Default 0. */
  readonly seed?: number;
  /** Bytes of rows beyond which they are kept in a file. Default: half of the free memory. */
  readonly memoryBytes?: number;
  /** Folder of that file. Default: the system's folder of temporary files. */
  readonly cacheFolder?: string;
  /** Reads the columns as this says; nothing is inferred. */
  readonly schema?: TableSchema;
  /** Whether the features' means and scales are needed; a model has its own. Default true. */
  readonly standardize?: boolean;
}

export interface ReadTable {
  readonly parts: DataParts;
  readonly schema: TableSchema;
  readonly notes: readonly string[];
  readonly warnings: readonly string[];
}

/** Below this the database cannot read a CSV file in pieces. */
const LEAST_BYTES = 128e6;

/**
 * Reads a table: decides what its columns are (or takes a schema), and streams its rows into memory
 * or a cache file, as the network's features and answers. Order and values do not depend on which.
 *
 * Medians, means and scales are those of the training rows alone.
 *
 * @throws DataError for what cannot be read or used, with what to do
 */
export async function readTable(location: string, options: ReadTableOptions): Promise<ReadTable> {
  const { memoryBytes = freemem() / 2, header = 'auto' } = options;
  const bounded =
    options.memoryBytes === undefined
      ? {}
      : { memoryBytes: Math.max(memoryBytes / 2, LEAST_BYTES) };
  const database = await openDatabase(bounded);
  try {
    const relation = await openRelation(database, location, { header });
    const notes: string[] = [];
    const warnings: string[] = [];
    let { schema } = options;
    let rows: number | null = null;
    if (schema === undefined) {
      const profile = await profileTable(database, relation, options.decimal);
      const found = await inferSchema({ database, relation, profile, where: location }, options);
      schema = found.schema;
      const [target, ...others] = schema.targets.map(({ name }) => name);
      const missing = profile.columns.find(({ name }) => name === target)?.missing ?? 0;
      rows = others.length === 0 ? profile.rows - missing : null;
      notes.push(...found.notes);
      warnings.push(...found.warnings);
    } else {
      await defineCell(database);
    }
    const view = new TableView({ database, relation, location, schema, targets: true });
    if (options.schema !== undefined) notes.push(...(await view.check()));
    const reader = new Reader(view);
    rows ??= await reader.countRows();
    return { ...(await reader.read(rows, { ...options, memoryBytes })), notes, warnings };
  } finally {
    database.close();
  }
}

class Reader {
  readonly #view: TableView;
  /** Codes of features, then of targets. */
  readonly #columns: string[];
  /** Rows of training have targets. */
  readonly #where: string;

  constructor(view: TableView) {
    this.#view = view;
    const { features, targets } = view.schema;
    const all = [...features, ...targets, ...weightColumn(view.schema)];
    this.#columns = all.map((column) => view.codeSql(column));
    this.#where = targets.map((column) => `${view.codeSql(column)} is not null`).join(' and ');
  }

  async countRows(): Promise<number> {
    const [row] = await this.#view.database.rows(
      `select count(*) as n from ${this.#view.relation.sql} where ${this.#where}`,
    );
    const rows = Number(row?.['n']);
    if (rows === 0) throw new DataError('data', `${this.#view.location}: no rows with a target`);
    return rows;
  }

  /** Rows that memory is not to hold are in a folder of the parts' `caches`. */
  async read(
    rows: number,
    options: ReadTableOptions & { readonly memoryBytes: number },
  ): Promise<{ parts: DataParts; schema: TableSchema }> {
    const { features, targets } = this.#view.schema;
    const width =
      featureCount({ features }) + targets.length + weightColumn(this.#view.schema).length;
    if (4 * rows * width <= options.memoryBytes) return this.#readInto(null, rows, options);
    const folder = cacheIn(options.cacheFolder ?? tmpdir());
    try {
      return await this.#readInto(folder, rows, options);
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  async #readInto(
    folder: string | null,
    rows: number,
    options: ReadTableOptions & { readonly memoryBytes: number },
  ): Promise<{ parts: DataParts; schema: TableSchema }> {
    const { validation = null, seed = 0, memoryBytes } = options;
    const { features, targets } = this.#view.schema;
    const F = featureCount(this.#view.schema);
    const answers = this.#answerShape();
    const weighted = this.#view.schema.weight !== undefined;
    const width = F + targets.length + (weighted ? 1 : 0);
    const apart =
      validation === null
        ? null
        : validationRows({ name: this.#view.location, rows }, validation, seed);
    const store = (name: string, count: number): RowStore =>
      folder === null
        ? new MemoryStore(width, count)
        : new FileStore(path.join(folder, name), width);
    const held = apart?.length ?? 0;
    const training = store('training', rows - held);
    const validating = held === 0 ? null : store('validation', held);

    const write = featureWriter(this.#view.schema, options.schema === undefined ? 'nan' : 'median');
    const record = new Float32Array(width);
    const codes = Array.from({ length: features.length }, () => 0);
    const sql = `select ${this.#columns.map((column, i) => `${column} as c${i}`).join(', ')} from ${this.#view.relation.sql} where ${this.#where}`;
    const tallies = { training: tallyOf(answers), validation: tallyOf(answers) };
    let row = 0;
    let next = 0;
    for await (const { columns, rows: count } of this.#view.database.pieces(sql)) {
      for (let r = 0; r < count; r++, row++) {
        for (let c = 0; c < features.length; c++) codes[c] = columns[c]?.[r] as number;
        write(codes, record, 0);
        for (let t = F; t < width; t++) record[t] = columns[features.length + t - F]?.[r] as number;
        const isApart = apart !== null && apart[next] === row;
        const weight = weighted ? (record[width - 1] as number) : 1;
        if (!(weight >= 0)) {
          const what = `${this.#view.location}: the weight of row ${row} is ${weight}; weights are at least 0`;
          throw new DataError('data', what);
        }
        const { rows: counts, weights } = isApart ? tallies.validation : tallies.training;
        const label = answers.kind === 'labels' ? (record[F] as number) : 0;
        counts[label] = (counts[label] as number) + 1;
        weights[label] = (weights[label] as number) + weight;
        if (isApart) {
          validating?.append(record);
          next++;
        } else {
          training.append(record);
        }
      }
    }
    const schema =
      options.schema === undefined
        ? fitSchema(
            this.#view.schema,
            training,
            validating === null ? [] : [validating],
            options.rates,
          )
        : this.#view.schema;
    const { standardize = true } = options;
    const standardization = standardize
      ? standardizationOf(schema, training)
      : identity(featureCount(schema));
    const shape = {
      name: this.#view.location,
      answers,
      schema,
      standardization,
      weighted,
      memoryBytes,
    };
    return {
      parts: {
        training: datasetOf(training, shape, tallies.training),
        validation: validating === null ? null : datasetOf(validating, shape, tallies.validation),
        ...(folder !== null && { caches: [folder] }),
      },
      schema,
    };
  }

  #answerShape(): AnswerShape {
    const { targets } = this.#view.schema;
    const [target] = targets;
    return target?.kind === 'class'
      ? { kind: 'labels', classes: target.classes.length }
      : { kind: 'values', width: targets.length };
  }
}

function cacheIn(folder: string): string {
  try {
    return mkdtempSync(path.join(folder, 'phantom-rows-'));
  } catch (cause) {
    const what = `${folder}: rows cannot be kept there (${(cause as Error).message})`;
    throw new DataError('data', `${what}; --data-cache names another folder`, { cause });
  }
}

const identity = (features: number): Standardization => ({
  mean: new Float32Array(features),
  scale: new Float32Array(features).fill(1),
});

interface Shape {
  readonly name: string;
  readonly answers: AnswerShape;
  readonly schema: TableSchema;
  readonly standardization: Standardization;
  readonly weighted: boolean;
  readonly memoryBytes: number;
}

function tallyOf(answers: AnswerShape): RowTally {
  const classes = answers.kind === 'labels' ? answers.classes : 1;
  const zeros = () => Array.from({ length: classes }, () => 0);
  return { rows: zeros(), weights: zeros() };
}

function datasetOf(store: RowStore, shape: Shape, tally: RowTally): RecordsDataset {
  const { name, answers, schema, standardization, weighted, memoryBytes } = shape;
  store.close();
  return {
    kind: 'records',
    name,
    rows: store.rows,
    features: featureCount(schema),
    imageLike: false,
    record: store.width,
    source:
      store instanceof MemoryStore
        ? store.values
        : { path: (store as FileStore).path, memoryBytes },
    answers,
    standardization,
    weighted,
    tally,
  };
}
