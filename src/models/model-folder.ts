import { isLossName, type LossName, type LossOptions, USUAL_LOSS } from '../layers/loss-names.js';
import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import {
  type SafetensorsTensor,
  type SafetensorsWritten,
  writeSafetensors,
} from '../data/safetensors.js';
import {
  isStandardizationOf,
  recordStandardization,
  type RecordedStandardization,
  type Standardization,
  standardizationFrom,
} from '../data/standardize.js';
import { formatSchema, SCHEMA_FILE } from '../data/tables/schema-file.js';
import type { TableSchema } from '../data/tables/schema.js';
import { ConfigError } from '../base/errors.js';
import {
  inputWidth,
  type NetworkSpecification,
  validateSpecification,
} from '../model/specification.js';
import {
  type FileHashes,
  hashFile,
  isFileHashes,
  readDescription,
  shardName,
  verifiedSchema,
} from '../checkpoints/checkpoint-folder.js';
import { formatDescription } from '../checkpoints/own-hash.js';
import { indexOf } from '../checkpoints/save-checkpoint.js';
import {
  giveName,
  isSystemError,
  makeFolders,
  newPartial,
  remedyFor,
  syncFolder,
  writeSynced,
} from '../base/files.js';

/** What a model is besides its weights. */
export interface ModelDescription {
  readonly specification: NetworkSpecification;
  readonly loss: LossName;
  readonly lossOptions: LossOptions;
  /** What the network's input is standardized with; null: it takes features as they are. */
  readonly standardization: Standardization | null;
  /** Of the table that it was trained on; null: it was none. */
  readonly schema: TableSchema | null;
  /** Where the weights come from, for people. */
  readonly source: Readonly<Record<string, unknown>>;
}

/** `model.json` of a model folder. */
interface ModelFile {
  readonly format: 'phantom-parallel model';
  readonly version: 1;
  readonly created: string;
  readonly specification: NetworkSpecification;
  readonly loss: LossName;
  /** Not there: the usual. */
  readonly lossOptions?: LossOptions;
  readonly standardization: RecordedStandardization | null;
  readonly source: Readonly<Record<string, unknown>>;
  readonly versions: Readonly<Record<string, string>>;
  readonly files: FileHashes;
}

export const MODEL_FILE = 'model.json';
const WEIGHTS_INDEX = 'model.safetensors.index.json';

/**
 * Writes a model folder: `model.json` and the weights as in a checkpoint. It appears under its
 * name only when every file in it is written and synced; when that fails nothing is left of it.
 *
 * @param shards makes the tensors of each shard, one shard in memory at a time; names and shapes
 *   are those of checkpoints
 * @throws ConfigError when something has that name already, or it cannot be written
 */
export function writeModel(
  folder: string,
  description: ModelDescription,
  shards: readonly (() => readonly SafetensorsTensor[])[],
): void {
  refuseExisting(folder);
  const target = path.resolve(folder);
  const partial = newPartial(target);
  try {
    makeFolders(partial);
    writeFiles(partial, description, shards);
    giveName(partial, target);
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    if (!isSystemError(error)) throw error;
    throw new ConfigError('model', `cannot write ${folder}: ${error.message}; ${remedyFor(error)}`);
  }
}

/** @throws ConfigError when a folder to write is there already */
export function refuseExisting(folder: string): void {
  if (!existsSync(folder)) return;
  throw new ConfigError('model', `${folder} already exists; choose another --out, or remove it`);
}

function writeFiles(
  folder: string,
  { standardization, specification, loss, lossOptions, schema, source }: ModelDescription,
  shards: readonly (() => readonly SafetensorsTensor[])[],
): void {
  const files: Record<string, SafetensorsWritten> = {};
  for (const [i, tensors] of shards.entries()) {
    const name = shardName('model', i, shards.length);
    files[name] = writeSafetensors(path.join(folder, name), tensors());
  }
  const index = path.join(folder, WEIGHTS_INDEX);
  writeSynced(index, indexOf(folder, Object.keys(files)));
  files[WEIGHTS_INDEX] = hashFile(index);
  if (schema !== null) {
    writeSynced(path.join(folder, SCHEMA_FILE), formatSchema(schema));
    files[SCHEMA_FILE] = hashFile(path.join(folder, SCHEMA_FILE));
  }
  const model: ModelFile = {
    format: 'phantom-parallel model',
    version: 1,
    created: new Date().toISOString(),
    specification,
    loss,
    lossOptions,
    standardization: recordStandardization(standardization),
    source,
    versions: { node: process.version, v8: process.versions.v8 },
    files,
  };
  writeSynced(path.join(folder, MODEL_FILE), formatDescription(model));
  syncFolder(folder);
}

/** Reads `model.json`. @throws CheckpointError when it is missing, damaged or of another version */
export function readModelFile(folder: string): ModelDescription & { readonly files: FileHashes } {
  const file = path.join(folder, MODEL_FILE);
  const { specification, loss, lossOptions, standardization, source, files } =
    readDescription<ModelFile>(file, 'phantom-parallel model', damageOf);
  return {
    specification,
    loss,
    lossOptions: lossOptions ?? USUAL_LOSS,
    standardization: standardizationFrom(standardization),
    schema: verifiedSchema(folder, files),
    source,
    files,
  };
}

/** What a model cannot be read with; null when nothing is wrong. */
function damageOf({ specification, loss, standardization, files }: Partial<ModelFile>) {
  if (!isLossName(loss)) return `loss is ${JSON.stringify(loss)}`;
  try {
    if (!specification?.ends) return 'specification is incomplete';
    validateSpecification(specification);
  } catch (error) {
    return (error as Error).message;
  }
  if (!isFileHashes(files) || !Object.hasOwn(files, WEIGHTS_INDEX)) return 'files is incomplete';
  const fits = isStandardizationOf(standardization, inputWidth(specification));
  return fits ? null : 'standardization does not fit the inputs';
}
