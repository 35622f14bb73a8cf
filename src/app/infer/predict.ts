import { isOfClasses } from '../../layers/loss-names.js';
import { existsSync, realpathSync } from 'node:fs';
import { findLauncher, type Launcher } from '../../communicators/launcher.js';
import type { MeterChoice } from '../../energy/counter-list.js';
import type { Obtained } from '../../energy/meter.js';
import { ConfigError, DataError } from '../../base/errors.js';
import { ghostsWarning } from '../../models/ghosts.js';
import { inputWidth } from '../../model/specification.js';
import { describeModel } from '../../models/model-source.js';
import type { PredictionKind } from '../../serving/prediction-kinds.js';
import { overflowIn } from '../../serving/rows/answer-rows.js';
import { type AnswerWriter, answerWriter } from '../../serving/rows/answers.js';
import { openRows, type RowPiece } from '../../serving/rows/row-source.js';
import { formatOf, holdsTexts, openSink, type RowSink } from '../../serving/rows/row-sink.js';
import { SLOTS } from '../../serving/mailbox.js';
import { DEFAULT_MAX_BATCH, loadModel } from './load-model.js';
import { createMeter } from '../ranks/meters.js';
import type { Bind } from '../ranks/binding.js';
import { beforeRanks } from '../ranks/ranks.js';
import type { EngineChoice } from '../../engines/engine-list.js';
import type { Dtype } from '../../tensor/tensor.js';

/** What `predict` answers, and where to. `null` is the default too. */
export interface PredictFileOptions {
  /** A run folder, a checkpoint or a model folder. */
  readonly model: string;
  /** Of a run: `best`, `last`, `step-100` or a path. Default: the best by validation, or the last
   * where nothing was validated. */
  readonly checkpoint?: string | null;
  /** A file of rows, or a known data set. */
  readonly data: string;
  /** The file to write: .csv, .npy, .parquet, .safetensors or .jsonl. */
  readonly out: string;
  /** Default: `answers` for a model of a table, where the file can hold names; else `outputs`:
   * logits, where the network was trained on classes. */
  readonly what?: PredictionKind | null;
  /** Default `auto`. */
  readonly engine?: EngineChoice;
  /** What products take. Default: as the network was trained. */
  readonly compute?: Dtype | null;
  /** Worker threads; they divide the network's blocks. Default: as trained, else 1. */
  readonly ranks?: number | null;
  /** Where threads run: `auto` keeps each rank on one NUMA node. Default: as trained, else `auto`. */
  readonly bind?: Bind | null;
  /** Rows at a time. Default 256. */
  readonly batch?: number;
  /** K': answers use the first so many ghosts of each block. Default: all. */
  readonly ghosts?: number | null;
  /** What measures the energy, as in training; under an MPI launcher nothing does. Default `auto`. */
  readonly meter?: MeterChoice;
  /** Name or file of the machine whose constants model energy. */
  readonly machine?: string;
  /** Takes the rows so far. */
  readonly onProgress?: (rows: number) => void;
  /** Takes what should be known before the answers are used. */
  readonly onWarning?: (message: string) => void;
}

/** What `predict` wrote, and what it took. */
export interface PredictionReport {
  readonly model: string;
  readonly step: number | null;
  /** Which checkpoint of the run it is, in words; null: there was no choice. */
  readonly standing: string | null;
  readonly out: string;
  readonly rows: number;
  readonly outputs: number;
  /** In use, of each block; 0: the network has none. */
  readonly ghosts: number;
  readonly engine: string;
  readonly ranks: number;
  /** From the first row read to the file's end on disk. */
  readonly elapsedS: number;
  readonly samplesPerS: number;
  /** Of it, time that rank 0 computed, and was blocked in collectives. */
  readonly computeS: number;
  readonly exposedS: number;
  /** Of that time; null: not measured. */
  readonly energyJ: number | null;
  readonly energyPerSampleJ: number | null;
  readonly obtained: Obtained;
}

/**
 * Answers the rows of a file, piece by piece, into another, which appears when it is complete. On
 * worker threads, or under an MPI launcher on the processes of the job, each of which reads the
 * file; the first writes.
 *
 * @returns rows, seconds and joules
 * @throws DataError, CheckpointError, ConfigError for what is missing, damaged or does not fit
 *
 * @example
 * ```ts
 * import { writeFileSync } from 'node:fs';
 * import { predict } from 'phantom-parallel';
 *
 * writeFileSync('rows.csv', 'a,b\n0,1\n1,1\n');
 * const { rows } = await predict({
 *   model: 'runs/xor',
 *   data: 'rows.csv',
 *   out: 'answers.csv',
 *   what: 'labels',
 * });
 * console.log(`${rows} rows answered`);
 * ```
 */
export async function predict(
  options: PredictFileOptions,
  launcher: Launcher | null = findLauncher(),
): Promise<PredictionReport> {
  const { data, out, engine = 'auto', batch = DEFAULT_MAX_BATCH } = options;
  const { checkpoint = null, ranks = null, ghosts = null, compute = null, bind = null } = options;
  const { onProgress, onWarning } = options;
  await beforeRanks(launcher, async () => {
    formatOf(out);
    const { specification, loss, schema } = describeModel(options.model, checkpoint);
    refuseOwnInput(data, out);
    const { what } = options;
    if ((what === 'probabilities' || what === 'labels') && !isOfClasses(loss)) {
      throw new ConfigError('what', `${what} of a network that fits numbers; use --what outputs`);
    }
    // The first rows, so that a file that cannot be read is reported before any rank starts.
    const features = inputWidth(specification);
    for await (const _ of openRows(data, { features, schema }, 1)) break;
  });
  const model = await loadModel(
    options.model,
    {
      checkpoint,
      engine,
      maxBatch: batch,
      ...(ranks === null ? {} : { ranks }),
      ...(ghosts === null ? {} : { ghosts }),
      ...(compute === null ? {} : { compute }),
      ...(bind === null ? {} : { bind }),
      ...(onWarning && { onWarning }),
    },
    launcher,
  );
  const warning = ghostsWarning(model.source, model.ghosts);
  if (warning !== null) onWarning?.(warning);
  const { features, outputs } = model;
  // The meter sees this process, so not the others of a job.
  const choice = launcher === null ? (options.meter ?? 'auto') : 'none';
  const meter = await createMeter({
    choice,
    machine: options.machine ?? 'default',
    cores: model.ranks,
  });
  const { schema } = model.source;
  const what = options.what ?? (schema !== null && holdsTexts(out) ? 'answers' : 'outputs');
  const written: { writer: AnswerWriter | null; sink: RowSink | null } = {
    writer: null,
    sink: null,
  };
  const began = performance.now();
  meter.begin('predict');
  let rows = 0;
  const cost = { computeS: 0, exposedS: 0 };
  try {
    const underWay: {
      readonly answered: ReturnType<typeof model.predictMeasured>;
      readonly ids: RowPiece['ids'];
    }[] = [];
    const takeOne = async () => {
      const next = underWay.shift();
      if (next === undefined) return;
      const { y, reading } = await next.answered;
      cost.computeS += reading.computeS;
      cost.exposedS += reading.exposedS;
      const overflow = overflowIn(y, outputs, rows);
      if (overflow !== null) throw new DataError('predict', `${data}, ${overflow}`);
      rows += y.length / outputs;
      if (model.isFirst) {
        written.writer ??= answerWriter(what, {
          model: model.source,
          outputs,
          ids: next.ids !== null,
        });
        written.sink ??= openSink(out, written.writer.columns);
        written.sink.write(written.writer.answer(y, next.ids));
      }
      meter.sample();
      onProgress?.(rows);
    };
    const onNote = (note: string) => onWarning?.(`${data}: ${note}`);
    for await (const { x, ids } of openRows(data, { features, schema, onNote }, batch)) {
      const answered = model.predictMeasured(x);
      // Those that nobody comes to wait for fail with all the others.
      answered.catch(() => {});
      underWay.push({ answered, ids });
      if (underWay.length > SLOTS) await takeOne();
    }
    while (underWay.length > 0) await takeOne();
    await written.sink?.finish();
  } catch (error) {
    written.sink?.abort();
    meter.close();
    model.session.abort((error as Error).message);
    await model.session.ended;
    throw error;
  }
  const elapsedS = (performance.now() - began) / 1000;
  const { energyJ, obtained } = meter.end('predict');
  meter.close();
  await model.close();
  return {
    model: model.source.weights,
    step: model.source.step,
    standing: model.source.standing,
    out,
    rows,
    outputs: written.writer?.columns.length ?? outputs,
    ghosts: model.ghosts,
    engine: model.engine,
    ranks: model.ranks,
    elapsedS,
    samplesPerS: rows / elapsedS,
    ...cost,
    energyJ,
    energyPerSampleJ: energyJ === null ? null : energyJ / rows,
    obtained,
  };
}

/** @throws ConfigError where the answers would take the place of the rows */
function refuseOwnInput(data: string, out: string): void {
  if (!existsSync(data) || !existsSync(out) || realpathSync(data) !== realpathSync(out)) return;
  throw new ConfigError('out', `${out} holds the rows themselves; choose another --out`);
}
