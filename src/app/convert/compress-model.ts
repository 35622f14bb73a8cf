import { isOfClasses, outputsPerTarget } from '../../layers/loss-names.js';
import { statSync } from 'node:fs';
import type { Dataset } from '../../data/dataset.js';
import { inlineBatches } from '../../data/loader/loader.js';
import { targetScaling } from '../../data/tables/target-scaling.js';
import { ConfigError, DataError } from '../../base/errors.js';
import {
  compressNetwork,
  type CompressionReport,
  type CompressionRequest,
} from '../../compression/compress.js';
import type { GhostChoice, Minimized } from '../../compression/choices.js';
import { type DenseFileOptions, openDenseFile } from '../../models/dense-file.js';
import { type DenseNetwork, denseOf } from '../../models/dense-network.js';
import { describeModel, openModel } from '../../models/model-source.js';
import type { TableSchema } from '../../data/tables/schema.js';
import type { ProbeData } from '../../compression/probe.js';
import type { HostEngine } from '../../engines/host-engine.js';
import { createHostEngine } from '../ranks/engines.js';
import { holdData, openSettingsData } from '../data/open-data.js';
import { type Activation, ACTIVATION_NAMES } from '../../engines/activations.js';
import type { EngineChoice } from '../../engines/engine-list.js';
import { createSvd } from './svd.js';

/** Most rows that the output error is measured on. */
const MOST_ROWS = 2048;
/** Most rows whose covariance is taken. */
const MOST_CALIBRATION_ROWS = 8192;

/** What `compress` makes of what. */
export interface CompressOptions {
  /** A safetensors file with PyTorch's names, a run folder, a checkpoint or a model folder. */
  readonly model: string;
  /** Of a run: `best`, `last`, `step-100` or a path. Default: the best by validation, or the last
   * where nothing was validated. */
  readonly checkpoint?: string | null;
  /** P: what a layer is split into; divides its width. */
  readonly blocks: number;
  /** K in each layer: `ghosts`, the same in all; `energy`, the fewest that keep that share of the
   * layer's squared off-diagonal weights, or, where outputs are kept nearest, of what they give;
   * `budget`, the most that fit so many bytes. */
  readonly choice: GhostChoice;
  /** The model folder to write; it must not be there yet. */
  readonly out: string;
  /** Name or path of data: on up to 8,192 of its training rows every layer's outputs are kept
   * nearest and compared, on the first 2,048 of its validation rows (of the training rows where
   * there are none) the network's. Default null: neither. */
  readonly data?: string | null;
  /** Which error the decomposition makes least. Default: `outputs` with `data`, else `weights`. */
  readonly minimize?: Minimized | null;
  /** Default `auto`. */
  readonly engine?: EngineChoice;
  /** What stands between the layers of a file of weights, which does not say it. */
  readonly activation?: DenseFileOptions['activation'] | null;
  /** What a file of weights was trained for. Default: what `data` has, labels or numbers. */
  readonly loss?: DenseFileOptions['loss'] | null;
  /** Only tensors of a file of weights whose names begin so: one network of several. */
  readonly prefix?: string | null;
  /** The linear layers of a file of weights in order, where names and shapes do not prove it. */
  readonly layers?: readonly string[] | null;
  /** What a file of weights has between each layer and the next, in place of `activation`: it says
   * that layers which follow one another have one. All have to be the same. */
  readonly activations?: readonly string[] | null;
  /** What stands before the residual blocks of a file of weights, and before its head. */
  readonly norm?: DenseFileOptions['norm'] | null;
  /** Takes what is being done, in a few words. */
  readonly onProgress?: CompressionRequest['onProgress'];
  /** Takes what the caller should know: an engine that cannot be used for this, and what is used in its place. */
  readonly onWarning?: (message: string) => void;
}

/**
 * Turns a dense network into a phantom one by truncated singular value decompositions and writes
 * it as a model folder. `train` with `from` trains it on.
 *
 * @returns sizes before and after, ghosts and error of each layer, and the output error on `data`
 * @throws ConfigError for sizes that do not fit, DataError and CheckpointError for what is missing
 *   or damaged
 *
 * @example
 * ```ts
 * import { compress } from 'phantom-parallel';
 *
 * const { before, after } = await compress({
 *   model: 'runs/xor',
 *   blocks: 2,
 *   choice: { by: 'ghosts', ghosts: 4 },
 *   out: 'models/small',
 * });
 * console.log(`${before.parameters} parameters became ${after.parameters}`);
 * ```
 */
export async function compress(options: CompressOptions): Promise<CompressionReport> {
  const { blocks, choice, out, data = null, onProgress = () => {} } = options;
  const minimize = options.minimize ?? (data === null ? 'weights' : 'outputs');
  checkChoice(choice);
  if (minimize === 'outputs' && data === null) {
    throw new ConfigError('compress', '--minimize outputs without --data; give the data');
  }
  const opened =
    data === null
      ? null
      : await openSettingsData({ data, validation: null, seed: 0 }, schemaOf(options.model));
  const release = opened && holdData(opened);
  const dataset = opened && (opened.validation ?? opened.training);
  const engine = await createHostEngine(options.engine ?? 'auto', 'compress', options.onWarning);
  const svd = await createSvd(engine);
  const network = openNetwork(options, dataset, engine);
  try {
    if (dataset !== null) checkFits(network, dataset);
    const probe = dataset && rowsOf(network, dataset, Math.min(dataset.rows, MOST_ROWS));
    const calibration = opened && calibrationOf(network, opened.training);
    return compressNetwork(
      { network, blocks, choice, out, minimize, calibration, probe, onProgress },
      engine,
      svd,
    );
  } finally {
    network.close();
    release?.();
  }
}

function checkChoice(choice: GhostChoice): void {
  if (choice.by === 'energy' && !(choice.share > 0 && choice.share <= 1)) {
    throw new ConfigError('compress', `energy ${choice.share}; needs a share above 0, at most 1`);
  }
  if (choice.by === 'ghosts' && !(Number.isSafeInteger(choice.ghosts) && choice.ghosts >= 1)) {
    throw new ConfigError('compress', `ghosts ${choice.ghosts}; needs an integer of at least 1`);
  }
}

function openNetwork(
  { model, checkpoint = null, loss = null, ...names }: CompressOptions,
  dataset: Dataset | null,
  engine: HostEngine,
): DenseNetwork {
  const { prefix = null, layers = null, activations = null, norm = null } = names;
  if (!isFile(model)) {
    const said = [names.activation ?? null, activations, norm, loss, prefix, layers];
    const given = said.some((value) => value !== null);
    if (!given) {
      return denseOf(openModel(model, { checkpoint }), engine);
    }
    throw new ConfigError(
      'compress',
      `--activation, --activations, --norm, --loss, --prefix or --layers with ${model}, which states ` +
        'its own; they are for weight files only',
    );
  }
  if (checkpoint !== null) {
    throw new ConfigError('compress', `--checkpoint with ${model}, a file; leave it out`);
  }
  const activation = activationOf(names, model);
  const labels = dataset && (dataset.answers.kind === 'labels' ? 'cross-entropy' : 'mse');
  const chosen = loss ?? labels;
  if (chosen === null) {
    throw new ConfigError(
      'compress',
      `${model} does not state its loss; give --loss mse or cross-entropy, or --data`,
    );
  }
  if (chosen === 'quantile') {
    throw new ConfigError('compress', `${model} does not state its quantiles; compress the run`);
  }
  return openDenseFile(model, {
    activation,
    loss: chosen,
    ...(prefix !== null && { prefix }),
    ...(layers !== null && { layers }),
    ...(activations !== null && { activations }),
    ...(norm !== null && { norm }),
  });
}

/** @throws ConfigError where it is not said, or a network could not have it */
function activationOf(
  { activation = null, activations = null }: Omit<CompressOptions, 'model'>,
  model: string,
): Activation {
  if (activations === null) {
    if (activation !== null) return activation;
    throw new ConfigError('compress', `${model} does not state its activation; give --activation`);
  }
  const different = new Set([...activations, ...(activation === null ? [] : [activation])]);
  const listed = [...different].join(', ');
  if (different.has('none') || different.has('identity')) {
    throw new ConfigError(
      'compress',
      `--activations ${activations.join()}: with nothing between them two linear layers are one; ` +
        'multiply their matrices into one layer first',
    );
  }
  const unknown = [...different].find((name) => !(ACTIVATION_NAMES as string[]).includes(name));
  if (unknown !== undefined) {
    throw new ConfigError(
      'compress',
      `--activations: ${unknown} is not one of ${ACTIVATION_NAMES.join(', ')}`,
    );
  }
  if (different.size !== 1) {
    throw new ConfigError(
      'compress',
      `activations ${listed}; a network has the same between all layers`,
    );
  }
  return [...different][0] as Activation;
}

/** Rows go by the columns of the table that a model was trained on. */
function schemaOf(model: string): TableSchema | null {
  return isFile(model) ? null : describeModel(model).schema;
}

function isFile(source: string): boolean {
  return statSync(source, { throwIfNoEntry: false })?.isFile() ?? false;
}

function checkFits(network: DenseNetwork, dataset: Dataset): void {
  const { loss, lossOptions, layers, name } = network;
  const [inputs, outputs] = [layers[0]?.columns ?? 0, layers.at(-1)?.rows ?? 0];
  const { answers, features } = dataset;
  const targets = answers.kind === 'labels' ? answers.classes : answers.width;
  const wanted = outputs / outputsPerTarget(loss, lossOptions);
  const fits = isOfClasses(loss) ? targets <= wanted : targets === wanted;
  if (features === inputs && fits && (!isOfClasses(loss) || answers.kind === 'labels')) return;
  throw new DataError(
    'compress',
    `${dataset.name} has ${features} features and ${targets} ` +
      `${answers.kind === 'labels' ? 'classes' : 'targets'}, ${name} takes ${inputs} and gives ` +
      `${outputs} (${loss})`,
  );
}

/** Rows from all over the training part, as the network sees them. */
function calibrationOf(network: DenseNetwork, training: Dataset): ProbeData {
  const rows = Math.min(training.rows, MOST_CALIBRATION_ROWS);
  const shuffle = Number.isFinite(training.rows);
  return rowsOf(network, training, rows, { shuffle });
}

/** The first rows of the data, or so many of all, as the network sees them. */
function rowsOf(
  network: DenseNetwork,
  dataset: Dataset,
  rows: number,
  { shuffle = false } = {},
): ProbeData {
  const { standardization, loss, schema } = network;
  const once = { firstStep: 0, steps: 1, microBatches: 1, validationRows: 0, validateEvery: 0 };
  const batches = inlineBatches({
    data: { training: dataset, validation: null },
    standardization,
    targetScaling: targetScaling(schema),
    oneHot: !isOfClasses(loss) && dataset.answers.kind === 'labels',
    shuffle,
    schedule: { ...once, batchSize: rows },
  });
  const batch = batches.next();
  if (batch === null) throw new DataError('compress', `${dataset.name} has no rows`);
  return { x: batch.x, y: batch.y, rows };
}
