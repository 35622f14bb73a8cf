import { existsSync } from 'node:fs';
import path from 'node:path';
import type { TrainingSettings } from '../settings/settings.js';
import { type Standardization, standardizationFrom } from '../data/standardize.js';
import { readSchema, SCHEMA_FILE } from '../data/tables/schema-file.js';
import type { TableSchema } from '../data/tables/schema.js';
import { CheckpointError } from '../base/errors.js';
import type { NetworkSpecification } from '../model/specification.js';
import {
  type FileHashes,
  readCheckpointState,
  verifyFiles,
} from '../checkpoints/checkpoint-folder.js';
import { newestCheckpoint, readRunConfig } from '../checkpoints/run-folder.js';
import { MODEL_FILE, readModelFile } from './model-folder.js';

/** A network that can be loaded: what it is, and where its weights lie. Structured-cloneable. */
export interface ModelSource {
  /** As it was given. */
  readonly path: string;
  readonly kind: 'run' | 'checkpoint' | 'model';
  readonly specification: NetworkSpecification;
  readonly loss: 'mse' | 'cross-entropy';
  readonly standardization: Standardization | null;
  /** Of the table that it was trained on; null: it was none. */
  readonly schema: TableSchema | null;
  /** Of the checkpoint; null: a model folder. */
  readonly step: number | null;
  /** Folder with `model.safetensors.index.json` and its shards, for `loadWeights`. */
  readonly weights: string;
  /** Of the run that trained it; null: a model folder. */
  readonly settings: TrainingSettings | null;
}

/**
 * Opens a run folder (its newest checkpoint), a checkpoint folder inside a run, or a model folder,
 * and compares the sizes and hashes of its weights with those recorded.
 *
 * @param share ranks divide the files among themselves: file i is this rank's if i % size = rank
 * @throws CheckpointError when it is none of these, or incomplete or damaged
 */
export function openModel(
  folder: string,
  share: { readonly rank: number; readonly size: number } = { rank: 0, size: 1 },
): ModelSource {
  const { files, ...model } = describeModel(folder);
  const remedy =
    model.kind === 'model' ? 'write the model again' : 'remove its folder to use an earlier one';
  verifyFiles(model.weights, { files }, share, remedy);
  return model;
}

/** The same without looking at the weights. @throws CheckpointError */
export function describeModel(folder: string): ModelSource & { readonly files: FileHashes } {
  const has = (name: string) => existsSync(path.join(folder, name));
  if (has(MODEL_FILE)) {
    const { source: _, ...model } = readModelFile(folder);
    return { path: folder, kind: 'model', ...model, step: null, weights: folder, settings: null };
  }
  if (has('state.json')) {
    return { path: folder, kind: 'checkpoint', ...ofRun(runOf(folder), folder) };
  }
  if (has('config.json')) {
    return { path: folder, kind: 'run', ...ofRun(folder, newestCheckpoint(folder).folder) };
  }
  throw new CheckpointError(
    'model',
    existsSync(folder)
      ? `${folder} is not a run folder, checkpoint or model folder: it has no config.json, ` +
          `state.json or ${MODEL_FILE}`
      : `${folder}: no such run folder, checkpoint or model folder`,
  );
}

function ofRun(runFolder: string, checkpoint: string) {
  const { specification, loss, data, settings } = readRunConfig(runFolder);
  const { step, files } = readCheckpointState(checkpoint);
  return {
    specification,
    loss,
    standardization: standardizationFrom(data.standardization),
    schema: Object.hasOwn(files, SCHEMA_FILE) ? readSchema(checkpoint) : null,
    step,
    weights: checkpoint,
    settings,
    // Without the optimiser's state.
    files: Object.fromEntries(
      Object.entries(files).filter(([name]) => name.startsWith('model') || name === SCHEMA_FILE),
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
