import { DataError } from '../../base/errors.js';
import { defineCell } from './column-sql.js';
import { openDatabase, identifier } from './database.js';
import { featureWriter } from './encode.js';
import { openRelation, type Relation } from './relation.js';
import { featureCount, type TableSchema } from './schema.js';
import { TableView } from './table-view.js';

/** Rows to predict. */
export interface TableRows {
  /** [rows, features] row-major, before standardization. */
  readonly x: Float32Array;
  /** The values of the schema's id column, as texts; null where it has none. */
  readonly ids: readonly (string | null)[] | null;
}

/**
 * The rows of a table as a model's features: columns by name, in any order.
 *
 * @param most rows of a piece
 * @param onNote takes what people should know: columns that are not used, unknown categories
 * @throws DataError for columns that the table lacks, and cells that are not what they should be
 */
export async function* tableRows(
  of: {
    readonly location: string;
    /** null: the columns are the features, by their place. */
    readonly schema: TableSchema | null;
    readonly features: number;
  },
  most: number,
  onNote: (note: string) => void = () => {},
): AsyncGenerator<TableRows> {
  const { location } = of;
  const database = await openDatabase();
  try {
    const relation = await openRelation(database, location);
    const schema = of.schema ?? byPosition(relation, of.features, location);
    await defineCell(database);
    const view = new TableView({ database, relation, location, schema, targets: false });
    for (const note of await view.check()) onNote(note);
    const { features, id } = schema;
    const hasId = id !== null && relation.columns.some(({ name }) => name === id);
    const columns = features.map((column, i) => `${view.readSql(column)} as c${i}`);
    if (hasId) columns.push(`${identifier(id)}::VARCHAR as id`);
    const write = featureWriter(schema);
    const width = featureCount(schema);
    let x = new Float32Array(most * width);
    let ids: (string | null)[] = [];
    let filled = 0;
    const take = (): TableRows => {
      const piece = { x: x.subarray(0, filled * width), ids: hasId ? ids : null };
      x = new Float32Array(most * width);
      ids = [];
      filled = 0;
      return piece;
    };
    const sql = `select ${columns.join(', ')} from ${relation.sql}`;
    for await (const piece of database.pieces(sql)) {
      for (let first = 0; first < piece.rows;) {
        const rows = Math.min(piece.rows - first, most - filled);
        const part = piece.columns.map((values) => values.slice(first, first + rows));
        const codes = part.slice(0, features.length) as (Float32Array | Float64Array)[];
        write({ rows, columns: codes, stride: 1 }, x.subarray(filled * width));
        if (hasId) ids.push(...(part[features.length] as (string | null)[]));
        first += rows;
        filled += rows;
        if (filled === most) yield take();
      }
    }
    if (filled > 0) yield take();
  } finally {
    database.close();
  }
}

/** A schema of numbers by their place: the list `x`, or all columns; where these are too many,
 * targets are passed over. */
function byPosition({ columns }: Relation, features: number, location: string): TableSchema {
  const names = columns.map(({ name }) => name);
  const listed = names.filter((name) => /^x\[\d+\]$/.test(name));
  const others = names.length > features ? names.filter((name) => !TARGETS.test(name)) : names;
  const inputs = listed.length === features ? listed : others;
  if (inputs.length !== features) {
    throw new DataError(
      'data',
      `${location} has ${inputs.length} ${inputs.length === 1 ? 'column' : 'columns'} of features; ` +
        `the model takes ${features}`,
    );
  }
  return {
    version: 1,
    task: 'regress',
    features: inputs.map((name) => ({
      name,
      kind: 'number',
      style: 'plain',
      gaps: false,
      median: Number.NaN,
      min: 0,
      max: 0,
    })),
    targets: [],
    id: null,
    dropped: columns.map(({ name }) => ({ name, why: 'a target' })),
  };
}

const TARGETS = /^(y\d*|label|targets?)$/i;
