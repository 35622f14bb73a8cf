import { DataError } from '../../base/errors.js';
import type { AnswerShape, RowTally } from '../dataset.js';
import type { Piece } from './database.js';
import { featureWriter, type WriteFeatures } from './encode.js';
import type { RowStore } from './row-store.js';
import { featureCount, type TableSchema } from './schema.js';

export interface RowPartsOptions {
  /** The table, for messages. */
  readonly name: string;
  readonly schema: TableSchema;
  readonly answers: AnswerShape;
  readonly training: RowStore;
  readonly validation: RowStore | null;
  /** Rows of the validation part, in order. */
  readonly apart: Uint32Array;
  readonly gapsAs: 'median' | 'nan';
}

/** The rows of a table as records, each in the store of its part. */
export class RowParts {
  readonly tallies: { readonly training: RowTally; readonly validation: RowTally };
  readonly #of: RowPartsOptions;
  readonly #write: WriteFeatures;
  readonly #features: number;
  readonly #record: number;
  #records = new Float32Array();
  #rows = 0;
  #apart = 0;

  constructor(of: RowPartsOptions) {
    const { schema, training, answers, gapsAs } = of;
    this.#of = of;
    this.#features = featureCount(schema);
    this.#record = training.width;
    this.#write = featureWriter(schema, { gapsAs, record: this.#record });
    this.tallies = { training: tallyOf(answers), validation: tallyOf(answers) };
  }

  /**
   * Adds rows, whose columns are the codes of features, targets and the weight.
   *
   * @throws DataError for a weight below 0
   */
  add({ rows, columns }: Piece): void {
    const { training, validation, apart } = this.#of;
    const records = this.#recordsOf(rows, columns as readonly (Float32Array | Float64Array)[]);
    const record = this.#record;
    let kept = 0;
    for (let r = 0; r < rows; r++, this.#rows++) {
      const isApart = apart[this.#apart] === this.#rows;
      this.#count(isApart ? this.tallies.validation : this.tallies.training, records, r);
      if (!isApart) continue;
      training.append(records.subarray(kept * record, r * record));
      validation?.append(records.subarray(r * record, (r + 1) * record));
      kept = r + 1;
      this.#apart++;
    }
    training.append(records.subarray(kept * record, rows * record));
  }

  #recordsOf(rows: number, columns: readonly (Float32Array | Float64Array)[]): Float32Array {
    const record = this.#record;
    if (this.#records.length < rows * record) this.#records = new Float32Array(rows * record);
    const records = this.#records;
    this.#write({ rows, columns, stride: 1 }, records);
    const first = this.#of.schema.features.length;
    for (let place = this.#features; place < record; place++) {
      const codes = columns[first + place - this.#features] as Float32Array | Float64Array;
      for (let r = 0; r < rows; r++) records[r * record + place] = codes[r] as number;
    }
    return records;
  }

  #count(tally: RowTally, records: Float32Array, r: number): void {
    const { name, schema, answers } = this.#of;
    const record = this.#record;
    const weight = schema.weight === undefined ? 1 : (records[(r + 1) * record - 1] as number);
    if (!(weight >= 0)) {
      const what = `${name}: the weight of row ${this.#rows} is ${weight}; weights are at least 0`;
      throw new DataError('data', what);
    }
    const at = answers.kind === 'labels' ? (records[r * record + this.#features] as number) : 0;
    tally.rows[at] = (tally.rows[at] as number) + 1;
    tally.weights[at] = (tally.weights[at] as number) + weight;
  }
}

function tallyOf(answers: AnswerShape): RowTally {
  const classes = answers.kind === 'labels' ? answers.classes : 1;
  const zeros = () => Array.from({ length: classes }, () => 0);
  return { rows: zeros(), weights: zeros() };
}
