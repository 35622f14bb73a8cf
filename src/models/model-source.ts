import { lossOptionsOf } from '../settings/loss-settings.js';
import type { LossName, LossOptions } from '../layers/loss-names.js';
import { existsSync, lstatSync, realpathSync } from 'node:fs';
import path from 'node:path';
import type { TrainingSettings } from '../settings/settings.js';
import { type Standardization, standardizationFrom } from '../data/standardize.js';
import { SCHEMA_FILE } from '../data/tables/schema-file.js';
import type { TableSchema } from '../data/tables/schema.js';
import { CheckpointError } from '../base/errors.js';
import { type NetworkSpecification, withCompute, answering } from '../model/specification.js';
import type { Dtype } from '../tensor/tensor.js';
import {
  type FileHashes,
  readCheckpointState,
  verifiedSchema,
  verifyFiles,
} from '../checkpoints/checkpoint-folder.js';
import { weightsKind } from '../checkpoints/checkpoint-entries.js';
import { chooseCheckpoint } from '../checkpoints/checkpoint-choice.js';
import { readRunConfig } from '../checkpoints/run-folder.js';
import { MODEL_FILE, readModelFile } from './model-folder.js';

/** A network that can be loaded: what it is, and where its weights lie. Structured-cloneable. */
export interface ModelSource {
  /** As it was given. */
  readonly path: string;
  readonly kind: 'run' | 'checkpoint' | 'model';
  readonly specification: NetworkSpecification;
  readonly loss: LossName;
  readonly lossOptions: LossOptions;
  readonly standardization: Standardization | null;
  /** Of the table that it was trained on; null: it was none. */
  readonly schema: TableSchema | null;
  /** Of the checkpoint; null: a model folder. */
  readonly step: number | null;
  /** Folder with `model.safetensors.index.json` and its shards, for `loadWeights`. */
  readonly weights: string;
  /** Which checkpoint of the run it is, in words; null: the run was left no choice. */
  readonly standing: string | null;
  /** Of the run that trained it; null: a model folder. */
  readonly settings: TrainingSettings | null;
}

/**
 * Opens a run folder (its best checkpoint, or the last where it has no best), a checkpoint folder
 * inside a run, or a model folder, and compares the sizes and hashes of its weights with those
 * recorded.
 *
 * @param options.checkpoint of a run: `best`, `last`, `step-100` or a path
 * @param options.share ranks divide the files among themselves: file i is this rank's if
 *   i % size = rank
 * @throws CheckpointError when it is none of these, or incomplete or damaged
 */
export function openModel(
  folder: string,
  options: {
    readonly checkpoint?: string | null;
    readonly share?: { readonly rank: number; readonly size: number };
  } = {},
): ModelSource {
  const { checkpoint = null, share } = options;
  const { files, ...model } = describeModel(folder, checkpoint);
  const remedy =
    model.kind === 'model' ? 'write the model again' : 'remove its folder to use an earlier one';
  verifyFiles(model.weights, { files }, share, remedy);
  return model;
}

/** What was opened, in words: `runs/a/checkpoints/step-00000080 (step 80, the last)`. */
export function sourceText({
  weights,
  step,
  standing,
}: Pick<ModelSource, 'weights' | 'step' | 'standing'>): string {
  if (step === null) return weights;
  return `${weights} (step ${step}${standing === null ? '' : `, ${standing}`})`;
}

/** The same without looking at the weights. @throws CheckpointError */
export function describeModel(
  folder: string,
  checkpoint: string | null = null,
): ModelSource & { readonly files: FileHashes } {
  const has = (name: string) => existsSync(path.join(folder, name));
  const single = has(MODEL_FILE) || has('state.json');
  if (single && checkpoint !== null) {
    const what = `--checkpoint ${checkpoint} with ${folder}, which is no run folder`;
    throw new CheckpointError('model', `${what}; leave --checkpoint out`);
  }
  if (has(MODEL_FILE)) {
    const { source: _, ...model } = readModelFile(folder);
    const own = { step: null, weights: folder, standing: null, settings: null };
    return { path: folder, kind: 'model', ...model, ...own };
  }
  if (has('state.json')) {
    // Not by the link to the best of a run, which may lead elsewhere while this is read.
    const weights = lstatSync(folder).isSymbolicLink() ? realpathSync(folder) : folder;
    return { path: folder, kind: 'checkpoint', ...ofRun(runOf(folder), weights), standing: null };
  }
  if (has('config.json')) {
    const { folder: weights, standing } = chooseCheckpoint(folder, checkpoint);
    return { path: folder, kind: 'run', ...ofRun(folder, weights), standing };
  }
  throw new CheckpointError(
    'model',
    existsSync(folder)
      ? `${folder} is not a run folder, checkpoint or model folder: it has no config.json, ` +
          `state.json or ${MODEL_FILE}`
      : `${folder}: no such run folder, checkpoint or model folder`,
  );
}

/** The model with products of this format; left out: as it was trained. */
export function computing<Model extends Pick<ModelSource, 'specification'>>(
  model: Model,
  compute: Dtype | null = null,
): Model {
  if (compute === null) return model;
  return { ...model, specification: withCompute(model.specification, compute) };
}

/** Whether a location is for `describeModel`. */
export function isModelFolder(folder: string): boolean {
  const has = (name: string) => existsSync(path.join(folder, name));
  return has(MODEL_FILE) || has('state.json') || (has('config.json') && has('checkpoints'));
}

function ofRun(runFolder: string, checkpoint: string) {
  const { specification, loss, data, settings } = readRunConfig(runFolder);
  const { step, files } = readCheckpointState(checkpoint);
  const kind = weightsKind((name) => Object.hasOwn(files, name));
  return {
    specification: answering(specification),
    loss,
    lossOptions: lossOptionsOf(settings),
    standardization: standardizationFrom(data.standardization),
    schema: verifiedSchema(checkpoint, files),
    step,
    weights: checkpoint,
    settings,
    // Without the optimizer's state, and without weights where their average is there.
    files: Object.fromEntries(
      Object.entries(files).filter(([name]) => name.startsWith(kind) || name === SCHEMA_FILE),
    ),
  };
}

/** The run of a checkpoint: the folder above `checkpoints/`. */
function runOf(checkpoint: string): string {
  const run = path.dirname(path.dirname(path.resolve(checkpoint)));
  if (existsSync(path.join(run, 'config.json'))) return run;
  throw new CheckpointError(
    'model',
    `${checkpoint} is a checkpoint outside its run: ${run} has no config.json, which says what ` +
      'the network is',
  );
}
