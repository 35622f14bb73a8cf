import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import path from 'node:path';
import { DataError } from '../../base/errors.js';
import type { AnswerShape, DataParts, RecordsDataset, RowTally } from '../dataset.js';
import { validationRows } from '../splits.js';
import type { Standardization } from '../standardize.js';
import { withBins } from './bins.js';
import { defineCell } from './column-sql.js';
import { openDatabase } from './database.js';
import { fitSchema, type FittedSchema, standardizationOf } from './fit-schema.js';
import { type ColumnChoices, inferSchema } from './infer-schema.js';
import { type ProfileOptions, profileTable } from './profile.js';
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
  /** Most bins that a number of the features is piecewise linear in; 0, the default: it has none. */
  readonly bins?: number;
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
 * Medians, bins, means and scales are those of the training rows alone; for bins the rows are read twice.
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
    const numbers = features.filter(({ kind }) => kind === 'number').length;
    const more = options.schema === undefined ? numbers * (options.bins ?? 0) : 0;
    const width =
      featureCount({ features }) + more + targets.length + weightColumn(this.#view.schema).length;
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
    const { memoryBytes, bins = 0, standardize = true } = options;
    const own = this.#view.schema;
    const where = { folder, rows };
    let stores: Stores;
    let fitted: FittedSchema;
    if (options.schema === undefined) {
      stores = await this.#stores(own, { ...where, gapsAs: 'nan' }, options);
      const others = stores.validation === null ? [] : [stores.validation];
      fitted = fitSchema(own, stores.training, others, options.rates);
      if (bins > 0) {
        const schema = withBins(fitted.schema, stores.training, bins);
        stores.training.close();
        stores.validation?.close();
        if (folder !== null) {
          for (const name of readdirSync(folder)) rmSync(path.join(folder, name));
        }
        stores = await this.#stores(schema, { ...where, gapsAs: 'median' }, options);
        fitted = { schema, standardization: standardizationOf(schema, stores.training) };
      }
    } else {
      stores = await this.#stores(own, { ...where, gapsAs: 'median' }, options);
      const standardization = standardize
        ? standardizationOf(own, stores.training)
        : identity(featureCount(own));
      fitted = { schema: own, standardization };
    }
    const { training, validation, tallies } = stores;
    const name = this.#view.location;
    const weighted = own.weight !== undefined;
    const shape = { name, answers: this.#answerShape(), ...fitted, memoryBytes, weighted };
    return {
      parts: {
        training: datasetOf(training, shape, tallies.training),
        validation: validation === null ? null : datasetOf(validation, shape, tallies.validation),
        ...(folder !== null && { caches: [folder] }),
      },
      schema: fitted.schema,
    };
  }

  /** Streams the rows into stores, as a schema with the columns of the view's encodes them. */
  async #stores(
    schema: TableSchema,
    { folder, rows, gapsAs }: Filling,
    { validation = null, seed = 0 }: ReadTableOptions,
  ): Promise<Stores> {
    const { location } = this.#view;
    const width = featureCount(schema) + schema.targets.length + weightColumn(schema).length;
    const answers = this.#answerShape();
    const apart =
      validation === null
        ? new Uint32Array()
        : validationRows({ name: location, rows }, validation, seed);
    const store = (name: string, count: number): RowStore =>
      folder === null
        ? new MemoryStore(width, count)
        : new FileStore(path.join(folder, name), width);
    const stores = {
      training: store('training', rows - apart.length),
      validation: apart.length === 0 ? null : store('validation', apart.length),
    };
    const { tallies } = await this.#fill(
      new RowParts({ name: location, schema, answers, apart, gapsAs, ...stores }),
    );
    return { ...stores, tallies };
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

/** Where rows go, and what stands for gaps. */
interface Filling {
  /** null: into memory. */
  readonly folder: string | null;
  readonly rows: number;
  readonly gapsAs: 'nan' | 'median';
}

interface Stores extends Pick<RowParts, 'tallies'> {
  readonly training: RowStore;
  readonly validation: RowStore | null;
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
