import { ConfigError, DataError, ShapeError } from '../base/errors.js';
import { flatRows } from '../data/arrays.js';
import { rowCodes } from '../data/tables/encode.js';
import { idsOf, NamedColumns, RowEncoder, type TableRow } from '../data/tables/encode-rows.js';
import { ghostsRefusal } from '../models/ghosts.js';
import type { BatchReading } from './mailbox.js';
import type { ModelSource } from '../models/model-source.js';
import { eachRow, overflowIn } from './rows/answer-rows.js';
import { answerWriter } from './rows/answers.js';
import type { Session } from './session.js';

/** How one call of `predict` is answered. */
export interface PredictOptions {
  /** K': answers are those of the first so many ghosts of each block. Default: the model's. */
  readonly ghosts?: number;
  /** Takes what should be known of rows by name: columns that are not used, unknown categories.
   * Default: a warning of the process, once for each. */
  readonly onWarning?: (message: string) => void;
}

/** Answers to a row by name: the predicted columns, for classes the probability of each, the id. */
export type NamedAnswer = Readonly<Record<string, string | number | null>>;

/** A network on resident ranks, forward only. */
export interface LoadedModel {
  readonly source: ModelSource;
  /** Numbers in a row of x and in a row of y. */
  readonly features: number;
  readonly outputs: number;
  readonly maxBatch: number;
  /** Ghosts of each block that it answers with unless asked otherwise, and all that there are; 0:
   * the network has none. */
  readonly ghosts: number;
  readonly mostGhosts: number;
  readonly ranks: number;
  /** What computes, for people. */
  readonly engine: string;
  /** Whether this process is that of rank 0, which has all answers; always so without MPI. */
  readonly isFirst: boolean;
  /** @internal */
  readonly session: Session;

  /**
   * The network's outputs for rows as the training data had them: standardized here as there.
   * Calls may overlap; they are answered in order.
   *
   * @param x [rows, features], row after row in one array, or an array per row
   * @returns y [rows, outputs], in the same form; logits, where the network was trained on classes
   * @throws ShapeError unless x holds whole rows, DataError for what is not a number, ConfigError
   *   for ghosts outside 1 … K; what ended the ranks
   */
  predict(x: Float32Array, options?: PredictOptions): Promise<Float32Array>;
  predict(x: readonly ArrayLike<number>[], options?: PredictOptions): Promise<Float32Array[]>;
  /**
   * Answers to rows by the names of the columns, as `predict` writes them to a file.
   *
   * @param rows of a table as the model was trained on: columns in any order, others passed over
   * @throws DataError naming a column that a row lacks, a cell that is not what its column holds, or
   *   a row whose answer is not finite; ConfigError for a model that was not trained on a table
   */
  predict(rows: readonly TableRow[], options?: PredictOptions): Promise<NamedAnswer[]>;
  /** The same, and what it cost. */
  predictMeasured(
    x: Float32Array,
    options?: PredictOptions,
  ): Promise<{ y: Float32Array; reading: BatchReading }>;
  /** Answers what has been asked, then ends the ranks. */
  close(): Promise<void>;
}

/** A loaded model on a session. */
export class SessionModel implements LoadedModel {
  readonly source: ModelSource;
  readonly features: number;
  readonly outputs: number;
  readonly maxBatch: number;
  readonly ghosts: number;
  readonly mostGhosts: number;
  readonly ranks: number;
  readonly engine: string;
  readonly isFirst: boolean;
  readonly session: Session;
  readonly #warned = new Set<string>();

  constructor(
    source: ModelSource,
    sizes: Pick<LoadedModel, 'features' | 'outputs' | 'maxBatch' | 'ghosts' | 'mostGhosts'>,
    ranks: { readonly size: number; readonly engine: string; readonly isFirst: boolean },
    session: Session,
  ) {
    this.source = source;
    this.features = sizes.features;
    this.outputs = sizes.outputs;
    this.maxBatch = sizes.maxBatch;
    this.ghosts = sizes.ghosts;
    this.mostGhosts = sizes.mostGhosts;
    this.ranks = ranks.size;
    this.engine = ranks.engine;
    this.isFirst = ranks.isFirst;
    this.session = session;
  }

  predict(x: Float32Array, options?: PredictOptions): Promise<Float32Array>;
  predict(x: readonly ArrayLike<number>[], options?: PredictOptions): Promise<Float32Array[]>;
  predict(rows: readonly TableRow[], options?: PredictOptions): Promise<NamedAnswer[]>;
  async predict(
    x: Float32Array | readonly ArrayLike<number>[] | readonly TableRow[],
    options?: PredictOptions,
  ): Promise<Float32Array | Float32Array[] | NamedAnswer[]> {
    const { features, outputs } = this;
    if (x instanceof Float32Array) return (await this.predictMeasured(x, options)).y;
    if (areNamed(x)) return this.#predictNamed(x, options);
    const rows = flatRows('predict', 'x', x, features);
    const { y } = await this.predictMeasured(rows.data, options);
    return x.map((_, row) => y.subarray(row * outputs, (row + 1) * outputs));
  }

  async predictMeasured(
    x: Float32Array,
    options: PredictOptions = {},
  ): Promise<{ y: Float32Array; reading: BatchReading }> {
    const { features, outputs, maxBatch, mostGhosts } = this;
    const refusal = options.ghosts === undefined ? null : ghostsRefusal(options.ghosts, mostGhosts);
    if (refusal !== null) throw new ConfigError('predict', `ghosts ${options.ghosts}; ${refusal}`);
    const { ghosts = this.ghosts } = options;
    const rows = x.length / features;
    if (!Number.isInteger(rows)) {
      throw new ShapeError(
        'predict',
        `x has ${x.length} numbers, which are not whole rows; needs [rows, ${features}]`,
      );
    }
    const y = new Float32Array(rows * outputs);
    const batches: Promise<BatchReading>[] = [];
    for (let first = 0; first < rows; first += maxBatch) {
      const count = Math.min(maxBatch, rows - first);
      const part = x.subarray(first * features, (first + count) * features);
      batches.push(
        this.session.run(
          count,
          ghosts,
          (slot) => slot.set(part),
          (answers) => y.set(answers, first * outputs),
        ),
      );
    }
    const reading = { computeS: 0, exposedS: 0 };
    for (const { computeS, exposedS } of await Promise.all(batches)) {
      reading.computeS += computeS;
      reading.exposedS += exposedS;
    }
    return { y, reading };
  }

  async #predictNamed(
    rows: readonly TableRow[],
    options: PredictOptions = {},
  ): Promise<NamedAnswer[]> {
    const { features, outputs } = this;
    const { schema } = this.source;
    if (schema === null) {
      const what = 'rows by name; the model was not trained on a table: give numbers';
      throw new ConfigError('predict', what);
    }
    const named = new NamedColumns(schema);
    const encoder = new RowEncoder(named, (what) => new DataError('predict', what));
    const { width } = encoder;
    const codes = new Float64Array(rows.length * width);
    const x = new Float32Array(rows.length * features);
    for (const [index, row] of rows.entries()) encoder.encode(index, row, codes, index * width);
    named.write(rowCodes(codes, width), x);
    const { onWarning = (note) => this.#warn(note) } = options;
    for (const note of encoder.notes) onWarning(note);
    const { y } = await this.predictMeasured(x, options);
    const overflow = overflowIn(y, outputs);
    if (overflow !== null) throw new DataError('predict', overflow);
    const ids = idsOf(schema, rows);
    const writer = answerWriter('answers', { model: this.source, outputs, ids: ids !== null });
    const answers: NamedAnswer[] = [];
    const { columns } = writer;
    eachRow(columns, writer.answer(y, ids), (cells) => {
      answers.push(Object.fromEntries(columns.map(({ name }, i) => [name, cells[i] ?? null])));
    });
    return answers;
  }

  #warn(note: string): void {
    if (this.#warned.has(note)) return;
    this.#warned.add(note);
    process.emitWarning(note);
  }

  close(): Promise<void> {
    return this.session.close();
  }
}

function areNamed(x: readonly ArrayLike<number>[] | readonly TableRow[]): x is readonly TableRow[] {
  const first: unknown = x[0];
  const isObject = typeof first === 'object' && first !== null;
  return isObject && !Array.isArray(first) && !ArrayBuffer.isView(first);
}
