import { isLossName, type LossName } from '../layers/loss-names.js';
import { existsSync, renameSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { isStandardizationOf, type RecordedStandardization } from '../data/standardize.js';
import { OPTIMIZERS } from '../optimizers/optimizer-list.js';
import type { TrainingSettings } from '../settings/settings.js';
import { type NetworkSpecification, validateSpecification } from '../model/specification.js';
import { CheckpointError, ConfigError } from '../base/errors.js';
import {
  type FileHashes,
  isDamage,
  isFileHashes,
  readCheckpointState,
  readDescription,
  readJson,
  verifiedSchema,
  verifyFiles,
} from './checkpoint-folder.js';
import { formatDescription } from './own-hash.js';
import { readSchema, SCHEMA_FILE } from '../data/tables/schema-file.js';
import type { TableSchema } from '../data/tables/schema.js';
import { checkpointName, type FoundCheckpoint, listCheckpoints } from './checkpoint-list.js';
import { readSmall } from '../base/regular-file.js';
import { isSystemError, makeFolder, makeFolders, remedyFor, replaceFile } from '../base/files.js';

/** `config.json` of a run folder. */
export interface RunConfig {
  readonly format: 'phantom-parallel run';
  readonly version: 1;
  readonly created: string;
  readonly settings: TrainingSettings;
  readonly specification: NetworkSpecification;
  readonly loss: LossName;
  /** Steps, from `steps` or `epochs`. */
  readonly steps: number;
  /** What was read, and how it is standardized: x is replaced by (x − mean) / scale. */
  readonly data: {
    readonly name: string;
    readonly trainingRows: number | null;
    readonly validationRows: number;
    readonly features: number;
    readonly standardization: RecordedStandardization | null;
    /** Of the rows (`fingerprint`); runs of earlier versions have none. */
    readonly fingerprint?: string;
  };
  /** Of the run's `schema.json`; absent: the data is no table. */
  readonly files?: FileHashes;
  readonly versions: Readonly<Record<string, string>>;
  readonly machine: Readonly<Record<string, string | number>>;
}

/** @throws ConfigError when a folder holds a run already, or a part of one. One of a run that ended
 *   before its first checkpoint may be used again. */
export function refuseRun(folder: string): void {
  const has = (name: string) => existsSync(path.join(folder, name));
  const checkpoints = listCheckpoints(path.join(folder, 'checkpoints')).length;
  if (has('config.json')) {
    if (checkpoints === 0 && isRunConfig(path.join(folder, 'config.json'))) return;
    const what = `${folder} already holds a run; continue it with --resume ${folder}`;
    throw new ConfigError('run', `${what}, or choose another --out`);
  }
  if (checkpoints === 0 && !has('metrics.jsonl')) return;
  const found = checkpoints > 0 ? 'checkpoints' : 'a metrics.jsonl';
  const what = `${folder} holds ${found} without the config.json of their run`;
  throw new ConfigError(
    'run',
    `${what}; bring that back, move the folder, or choose another --out`,
  );
}

/** Whether a file is ours to write over. */
function isRunConfig(file: string): boolean {
  try {
    return (readJson(file) as Partial<RunConfig>).format === 'phantom-parallel run';
  } catch {
    return false;
  }
}

/** Makes a run folder, which may be there. @throws ConfigError when that cannot be done */
export function makeRunFolder(folder: string): void {
  guarded(folder, () => makeFolders(folder));
}

/** Begins a run in a folder that is its own. One that a run left before its first checkpoint is
 * used again. @throws ConfigError when it holds a run already, or cannot be written */
export function clearRunFolder(folder: string): void {
  refuseRun(folder);
  guarded(folder, () => {
    makeFolder(path.join(folder, 'checkpoints'));
    for (const name of ['metrics.jsonl', SCHEMA_FILE]) {
      rmSync(path.join(folder, name), { force: true });
    }
  });
}

function guarded(folder: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    throw new ConfigError('run', `cannot make ${folder}: ${(error as Error).message}; set --out`);
  }
}

/** Writes `config.json`, whole or not at all. @throws ConfigError when that cannot be done */
export function writeRunConfig(folder: string, config: RunConfig): void {
  try {
    replaceFile(path.join(folder, 'config.json'), formatDescription(config));
  } catch (error) {
    throw new ConfigError(
      'run',
      `cannot write in ${folder}: ${(error as Error).message}; set --out`,
    );
  }
}

/**
 * The `config.json` of a run folder.
 *
 * @throws CheckpointError when it holds no run of this version
 */
export function readRunConfig(folder: string): RunConfig {
  const file = path.join(folder, 'config.json');
  if (!existsSync(file)) {
    throw new CheckpointError('run', `${folder} is not a run folder: it has no config.json`);
  }
  return readDescription(file, 'phantom-parallel run', damageOf);
}

/** The schema of the table that a run is trained on; null: it is none.
 * @throws CheckpointError when it is not the one that the run began with, DataError */
export function readRunSchema(folder: string): TableSchema | null {
  const { files } = readRunConfig(folder);
  // Runs of older versions have no hash of it.
  return files === undefined ? readSchema(folder) : verifiedSchema(folder, files);
}

/** What a run cannot be read with; null when nothing is wrong. */
function damageOf({
  settings,
  specification,
  loss,
  data,
  files,
  created,
  ...rest
}: Partial<RunConfig>): string | null {
  if (!isLossName(loss)) return `loss is ${JSON.stringify(loss)}`;
  if (files !== undefined && !isFileHashes(files)) return 'files is incomplete';
  const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
  const counts = ['ranks', 'batch', 'accumulate', 'seed', 'timeout'] as const;
  const wrong = counts.find((name) => !isCount(settings?.[name]));
  if (wrong !== undefined) return `settings.${wrong} is ${JSON.stringify(settings?.[wrong])}`;
  const optimizer: string = settings?.optimizer ?? '';
  if (!Object.hasOwn(OPTIMIZERS, optimizer)) return `settings.optimizer is ${optimizer}`;
  try {
    if (!specification?.ends) return 'specification is incomplete';
    validateSpecification(specification);
  } catch (error) {
    return (error as Error).message;
  }
  for (const name of ['versions', 'machine'] as const) {
    if (typeof rest[name] !== 'object' || rest[name] === null) return `${name} is missing`;
  }
  if (typeof created !== 'string') return 'created is missing';
  if (typeof data?.name !== 'string') return 'data.name is missing';
  if (!isCount(data.validationRows)) return 'data.validationRows is missing';
  if (!isCount(data.features)) return 'data.features is missing';
  const fits = isStandardizationOf(data.standardization, data.features);
  return fits ? null : 'data.standardization does not fit the features';
}

/** The newest checkpoint of a run. @throws CheckpointError when there is none */
export function newestCheckpoint(runFolder: string): FoundCheckpoint {
  const newest = listCheckpoints(path.join(runFolder, 'checkpoints')).at(-1);
  if (newest === undefined) {
    throw new CheckpointError('run', `${runFolder} has no checkpoint; start it again`);
  }
  const { folder } = newest;
  return { folder, step: readCheckpointState(folder).step };
}

/**
 * The newest checkpoint of a run of which every file has the hash recorded. Damaged ones on the
 * way get another name, so that they count no longer as checkpoints of the run.
 *
 * @param tell takes a line for each of them
 * @returns null when none is whole
 * @throws CheckpointError when a damaged one cannot be renamed
 */
export function newestWholeCheckpoint(
  runFolder: string,
  tell: (line: string) => void,
): FoundCheckpoint | null {
  for (;;) {
    const found = listCheckpoints(path.join(runFolder, 'checkpoints')).at(-1);
    if (found === undefined) return null;
    const { folder } = found;
    try {
      verifyFiles(folder, readCheckpointState(folder), undefined, 'an earlier one may be intact');
      return found;
    } catch (error) {
      if (!isDamage(error)) throw error;
      tell(`${error.message}; checkpoint skipped, kept as ${putAside(found)}`);
    }
  }
}

function putAside({ folder, step }: FoundCheckpoint): string {
  const name = path.join(path.dirname(folder), `${checkpointName(step)}.damaged`);
  let aside = name;
  for (let i = 2; existsSync(aside); i++) aside = `${name}-${i}`;
  try {
    renameSync(folder, aside);
  } catch (error) {
    throw new CheckpointError('run', `cannot rename ${folder}: ${(error as Error).message}`);
  }
  return aside;
}

/** Forgets metrics of steps after `step`: a resumed run computes them again. */
export function trimMetrics(runFolder: string, step: number): void {
  const file = path.join(runFolder, 'metrics.jsonl');
  if (!existsSync(file)) return;
  try {
    const kept = readSmall(file, Infinity)
      .toString('utf8')
      .split('\n')
      .filter((line) => isUpTo(line, step));
    replaceFile(file, kept.map((line) => `${line}\n`).join(''));
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const what = `cannot write ${file}: ${error.message}; ${remedyFor(error)} and resume`;
    throw new CheckpointError('run', what);
  }
}

function isUpTo(line: string, step: number): boolean {
  try {
    const event = JSON.parse(line) as { type?: string; step?: number };
    return event.type !== 'end' && (event.step ?? 0) <= step;
  } catch {
    return false; // an empty last line, or one cut off when the run died
  }
}

/** Versions and machine, for the record. */
export function describeMachine(): Pick<RunConfig, 'versions' | 'machine'> {
  const [cpu] = os.cpus();
  return {
    versions: { node: process.version, v8: process.versions.v8 },
    machine: {
      platform: process.platform,
      arch: process.arch,
      cpu: cpu?.model ?? 'unknown',
      cores: os.availableParallelism(),
      memoryBytes: os.totalmem(),
    },
  };
}
