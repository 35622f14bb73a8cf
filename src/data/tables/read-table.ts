import { mkdtempSync, rmSync } from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import path from 'node:path';
import { DataError } from '../../base/errors.js';
import type { AnswerShape, DataParts, RecordsDataset, RowTally } from '../dataset.js';
import { validationRows } from '../splits.js';
import type { Standardization } from '../standardize.js';
import { openDatabase } from './database.js';
import { fitSchema, standardizationOf } from './fit-schema.js';
import { type ColumnChoices, inferSchema } from './infer-schema.js';
import { defineCell, type ProfileOptions, profileTable } from './profile.js';
import { openRelation } from './relation.js';
import { RowParts } from './row-parts.js';
import { FileStore, MemoryStore, type RowStore } from './row-store.js';
import { featureCount, type TableSchema, weightColumn } from './schema.js';
import { TableView } from './table-view.js';

export interface ReadTableOptions extends ColumnChoices, Pick<ProfileOptions, 'decimal'> {
  readonly header?: boolean | 'auto';
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
      const profile = await profileTable(database, relation, options);
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
    this.#columns = all.map((column) => view.readSql(column));
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
    const { validation = null, seed = 0, memoryBytes, standardize = true } = options;
    const { location } = this.#view;
    const own = this.#view.schema;
    const { targets } = own;
    const F = featureCount(own);
    const width = F + targets.length + weightColumn(own).length;
    const answers = this.#answerShape();
    const apart =
      validation === null
        ? new Uint32Array()
        : validationRows({ name: location, rows }, validation, seed);
    const store = (name: string, count: number): RowStore =>
      folder === null
        ? new MemoryStore(width, count)
        : new FileStore(path.join(folder, name), width);
    const training = store('training', rows - apart.length);
    const validating = apart.length === 0 ? null : store('validation', apart.length);
    const isKnown = options.schema !== undefined;
    const gapsAs = isKnown ? 'median' : 'nan';
    const stores = { training, validation: validating };
    const { tallies } = await this.#fill(
      new RowParts({ name: location, schema: own, answers, apart, gapsAs, ...stores }),
    );
    const others = validating === null ? [] : [validating];
    const { schema, standardization } = isKnown
      ? {
          schema: own,
          standardization: standardize ? standardizationOf(own, training) : identity(F),
        }
      : fitSchema(own, training, others, options.rates);
    const weighted = own.weight !== undefined;
    const shape = { name: location, answers, schema, standardization, memoryBytes, weighted };
    return {
      parts: {
        training: datasetOf(training, shape, tallies.training),
        validation: validating === null ? null : datasetOf(validating, shape, tallies.validation),
        ...(folder !== null && { caches: [folder] }),
      },
      schema,
    };
  }

  async #fill(parts: RowParts): Promise<RowParts> {
    const columns = this.#columns.map((column, i) => `${column} as c${i}`);
    const { database, relation } = this.#view;
    const sql = `select ${columns.join(', ')} from ${relation.sql} where ${this.#where}`;
    for await (const piece of database.pieces(sql)) parts.add(piece);
    return parts;
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
