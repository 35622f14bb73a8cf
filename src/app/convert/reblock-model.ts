import path from 'node:path';
import { Parameter } from '../../autograd/tape.js';
import { ConfigError } from '../../base/errors.js';
import { replaceFile } from '../../base/files.js';
import { readCheckpointState, verifyFiles } from '../../checkpoints/checkpoint-folder.js';
import { configHash } from '../../checkpoints/determining-settings.js';
import {
  clearRunFolder,
  makeRunFolder,
  readRunConfig,
  writeRunConfig,
} from '../../checkpoints/run-folder.js';
import { saveCheckpoint } from '../../checkpoints/save-checkpoint.js';
import { Communicator } from '../../communicators/communicator.js';
import { SoloTransport } from '../../communicators/solo/solo-transport.js';
import type { GhostChoice, Minimized } from '../../compression/choices.js';
import type { CompressionReport } from '../../compression/compress.js';
import { type MergedValues, mergeBlocks } from '../../compression/merge-blocks.js';
import type { SafetensorsTensor } from '../../data/safetensors.js';
import { formatSchema, SCHEMA_FILE } from '../../data/tables/schema-file.js';
import type { EngineChoice } from '../../engines/engine-list.js';
import { layerParameters } from '../../model/layer-parameters.js';
import { type NetworkLayer, networkLayers } from '../../model/network-layers.js';
import { type NetworkSpecification, validateSpecification } from '../../model/specification.js';
import { refuseExisting, writeModel } from '../../models/model-folder.js';
import {
  describeModel,
  type ModelSource,
  openModel,
  sourceText,
} from '../../models/model-source.js';
import { WeightFiles } from '../../models/weight-files.js';
import type { OptimizerState } from '../../optimizers/update.js';
import { OPTIMIZERS } from '../../optimizers/optimizer-list.js';
import { gatherHalves } from '../../layers/gated/halves.js';
import { parameterName } from '../../layers/matrix-shards.js';
import { createHostEngine } from '../ranks/engines.js';
import { compress } from './compress-model.js';

/** What `reblock` makes of what. */
export interface ReblockOptions {
  /** A run folder, a checkpoint or a model folder of a phantom network. */
  readonly model: string;
  /** Of a run: `best`, `last`, `step-100` or a path. Default: `last`, from which it goes on. */
  readonly checkpoint?: string | null;
  /** P′; divides the width. */
  readonly blocks: number;
  /** K′ of each layer, as in `compress`. Default null: of merged blocks all that they had; else
   * as many as before, or the block's width if that is less. */
  readonly choice?: GhostChoice | null;
  /** What is written: a run folder where blocks of a run or checkpoint are merged with all their
   * ghosts, else a model folder. It must not be there yet. */
  readonly out: string;
  /** As in `compress`, for what is decomposed. */
  readonly data?: string | null;
  readonly minimize?: Minimized | null;
  /** Default `auto`. */
  readonly engine?: EngineChoice;
  /** Takes what is being done, in a few words. */
  readonly onProgress?: (what: string) => void;
  /** Takes what the caller should know: an engine that cannot be used for this, and what is used in its place. */
  readonly onWarning?: (message: string) => void;
}

/** What `reblock` wrote. */
export interface ReblockReport {
  readonly out: string;
  /** What it was made of, in words; of a run with the checkpoint. */
  readonly source: string;
  /** A run can be resumed; a model begins one, by `train` with `from`. */
  readonly kind: 'run' | 'model';
  readonly before: NetworkSpecification;
  readonly after: NetworkSpecification;
  /** Errors of the decomposition; null: merged, with the outputs of before to rounding. */
  readonly compression: CompressionReport | null;
  /** `merged`: in the run, as far as it is defined; `left out`: a decomposition has new compressors
   * and decompressors, of which an optimizer knows nothing; `none`: there was none. */
  readonly optimizerState: 'merged' | 'left out' | 'none';
}

/**
 * Gives a phantom network another number of blocks, P′.
 *
 * Where P′ divides P, neighbors are merged, and the network computes what it did: products of
 * decompressors and compressors between them become parts of L, ghosts are stacked, K′ = K·P / P′.
 * Else, or with fewer ghosts, its matrices are decomposed anew as by `compress`: L is exact, what
 * is off the diagonal blocks has an error, which is reported.
 *
 * An optimizer's state follows merged weights. Weights that merging makes, the products in L and
 * the zeros beside the stacked compressors, begin with first moments of zero and second moments of
 * their tensors' mean.
 *
 * @throws ConfigError for sizes that do not fit and for networks without ghosts, CheckpointError
 *   for what is missing or damaged
 *
 * @example
 * ```ts
 * import { reblock } from 'phantom-parallel/compression';
 *
 * const { after } = await reblock({ model: 'runs/first', blocks: 2, out: 'runs/two-blocks' });
 * console.log(`${after.blocks} blocks of ${after.ghosts} ghosts`);
 * ```
 */
export async function reblock(options: ReblockOptions): Promise<ReblockReport> {
  const { model, blocks, out, onProgress = () => {} } = options;
  const source = open(options);
  const { specification: before } = source;
  checkBlocks(before, blocks, model);
  refuseExisting(out);
  const after = mergedSpecification(before, blocks, options.choice ?? null);
  if (after === null) return decomposed(options, source);
  for (const key of ['data', 'minimize'] as const) {
    if (options[key] === undefined || options[key] === null) continue;
    throw new ConfigError(
      'reblock',
      `--${key} has no effect where ${before.blocks} blocks are merged into ${blocks} with all ` +
        'their ghosts; leave it out, or give fewer --ghosts',
    );
  }
  validateSpecification(after);
  const kind = source.kind === 'model' ? 'model' : 'run';
  if (kind === 'run') await writeRun(source, after, options);
  else {
    const { loss, lossOptions, standardization, schema } = source;
    const origin = { reblockedFrom: model, blocks: before.blocks };
    const files = new WeightFiles(source.weights);
    try {
      const shards = networkLayers(before).map((layer, i, layers) => () => {
        onProgress(`layer ${i + 1} of ${layers.length}: ${layer.name}`);
        return mergedTensors(layer, before.blocks / blocks, files, WEIGHTS);
      });
      writeModel(
        out,
        { specification: after, loss, lossOptions, standardization, schema, source: origin },
        shards,
      );
    } finally {
      files.close();
    }
  }
  const states = source.settings === null ? [] : OPTIMIZERS[source.settings.optimizer].states;
  const optimizerState = states.length > 0 ? 'merged' : 'none';
  const made = { out, source: sourceText(source), kind, before, after } as const;
  return { ...made, compression: null, optimizerState };
}

function open({ model, checkpoint = null }: ReblockOptions): ModelSource {
  const { kind } = describeModel(model, checkpoint);
  return openModel(model, { checkpoint: checkpoint ?? (kind === 'run' ? 'last' : null) });
}

const WEIGHTS: MergedValues = { suffix: '', unknown: 'product' };

function checkBlocks(
  { strategy, blocks: P, width, ghostActivation }: NetworkSpecification,
  blocks: number,
  model: string,
) {
  if (strategy !== 'phantom') {
    throw new ConfigError(
      'reblock',
      `${model} is a ${strategy} network, which has no ghosts; compress makes it a phantom one of ` +
        'any number of blocks',
    );
  }
  if (ghostActivation !== undefined) {
    throw new ConfigError(
      'reblock',
      `${model} has ${ghostActivation} on its ghosts: what a merged block computes of its own rows ` +
        'is linear, and there is no whole matrix to split; train with ghost activation none',
    );
  }
  const wrong =
    blocks === P
      ? 'it has so many already'
      : blocks < 2
        ? 'one block has no ghosts; export --format safetensors-dense writes whole matrices'
        : width % blocks === 0
          ? null
          : `they divide the width, ${width}`;
  if (wrong === null) return;
  throw new ConfigError('reblock', `${model}, of ${P} blocks, to ${blocks} blocks; ${wrong}`);
}

/** Of blocks merged with all their ghosts; null: that is not what is asked for. */
function mergedSpecification(
  { blocks: P, ghosts: K, layerGhosts, ...others }: NetworkSpecification,
  blocks: number,
  choice: GhostChoice | null,
): NetworkSpecification | null {
  const q = P / blocks;
  if (!Number.isInteger(q)) return null;
  const all = choice?.by === 'ghosts' && choice.ghosts === q * K && layerGhosts === undefined;
  if (choice !== null && !all) return null;
  const each = layerGhosts?.map((count) => q * count);
  return { ...others, blocks, ghosts: q * K, ...(each && { layerGhosts: each }) };
}

async function decomposed(options: ReblockOptions, source: ModelSource): Promise<ReblockReport> {
  const { blocks, out } = options;
  const { width, ghosts } = source.specification;
  const choice = options.choice ?? { by: 'ghosts', ghosts: Math.min(ghosts, width / blocks) };
  const checkpoint = source.kind === 'run' ? source.weights : null;
  const compression = await compress({ ...options, checkpoint, choice });
  const { settings, specification: before } = source;
  const states = settings === null ? [] : OPTIMIZERS[settings.optimizer].states;
  const optimizerState = states.length > 0 ? 'left out' : 'none';
  const after = compression.specification;
  const made = { out, source: sourceText(source), kind: 'model', before, after } as const;
  return { ...made, compression, optimizerState };
}

/** The tensors of a layer of the merged network. */
function mergedTensors(
  layer: NetworkLayer,
  q: number,
  files: WeightFiles,
  values: MergedValues,
): SafetensorsTensor[] {
  const read = (name: string, shape: readonly number[]) => files.read(name, shape);
  if (layer.role === 'hidden') {
    const merged = mergeBlocks(layer, q, read, values);
    if (!layer.gated) return merged;
    // A block has one half of all its rows above the other; what it takes and sends is no half.
    return merged.map((tensor) =>
      tensor.name.includes('.compressor.')
        ? tensor
        : { ...tensor, data: gatherHalves(tensor.data as Float32Array, q) },
    );
  }
  return layerParameters(layer, 0).map((parameter): SafetensorsTensor => {
    const name = `${parameterName(layer, parameter, 0)}${values.suffix}`;
    const shape = parameter.place?.shape ?? parameter.shape;
    return { name, dtype: 'F32', shape, data: read(name, shape) };
  });
}

/** Writes a run folder with one checkpoint, which `train --resume` goes on from. */
async function writeRun(
  source: ModelSource,
  after: NetworkSpecification,
  { out, engine: chosen = 'auto', onProgress = () => {}, onWarning }: ReblockOptions,
): Promise<void> {
  const engine = await createHostEngine(chosen, 'reblock', onWarning);
  const { specification: before, weights, schema } = source;
  const runFolder =
    source.kind === 'run' ? source.path : path.dirname(path.dirname(path.resolve(weights)));
  const config = readRunConfig(runFolder);
  const state = readCheckpointState(weights);
  verifyFiles(weights, state, undefined, 'take an earlier checkpoint');
  const { blocks, ghosts, layerGhosts = null } = after;
  const { ranks } = config.settings;
  const sizes = { blocks, ghosts, layerGhosts: layerGhosts && [...layerGhosts] };
  const settings = { ...config.settings, ...sizes, ranks: dividing(blocks, ranks), out };
  const states = OPTIMIZERS[settings.optimizer].states;
  const files = new WeightFiles(weights, 'model');
  const kept = states.length === 0 ? null : new WeightFiles(weights, 'optimizer');
  const averaged = settings.ema === null ? null : new WeightFiles(weights, 'average');
  const parameters: Parameter[] = [];
  const optimizerState: OptimizerState[] = [];
  const average: OptimizerState[] = [];
  try {
    for (const layer of networkLayers(before)) {
      onProgress(layer.name);
      const q = before.blocks / blocks;
      const own = mergedTensors(layer, q, files, WEIGHTS).map(({ name, shape, data }) => {
        const parameter = new Parameter(engine, { name, block: 0, shape });
        engine.toDevice(data as Float32Array, parameter.value);
        return parameter;
      });
      parameters.push(...own);
      /** What is kept for each of the parameters. */
      const beside = (of: WeightFiles, values: MergedValues) =>
        mergedTensors(layer, q, of, values).map(({ name, shape, data }, i) => {
          const tensor = engine.allocate(shape);
          engine.toDevice(data as Float32Array, tensor);
          return { name, parameter: own[i] as Parameter, tensor };
        });
      for (const part of kept === null ? [] : states) {
        const unknown = part === 'second_moment' ? 'mean' : 'zero';
        optimizerState.push(...beside(kept as WeightFiles, { suffix: `.${part}`, unknown }));
      }
      if (averaged !== null) average.push(...beside(averaged, WEIGHTS));
    }
  } finally {
    files.close();
    kept?.close();
    averaged?.close();
  }
  makeRunFolder(out);
  clearRunFolder(out);
  // A source has none, as it answers without.
  const { dropout } = settings;
  const specification = { ...after, ...(dropout > 0 && { dropout }) };
  writeRunConfig(out, { ...config, settings, specification });
  if (schema) replaceFile(path.join(out, SCHEMA_FILE), formatSchema(schema));
  const contents = {
    parameters,
    optimizerState,
    average: averaged && average,
    // Its best checkpoint is not in this run.
    progress: { ...state.progress, best: null },
    step: state.step,
    seed: state.random.seed,
    configHash: configHash(settings),
    ...(schema && { texts: { [SCHEMA_FILE]: formatSchema(schema) } }),
  };
  saveCheckpoint(path.join(out, 'checkpoints'), contents, new Communicator(new SoloTransport()));
}

/** The most ranks, up to so many, that divide the blocks. */
function dividing(blocks: number, most: number): number {
  let ranks = Math.min(blocks, most);
  while (blocks % ranks !== 0) ranks--;
  return ranks;
}
