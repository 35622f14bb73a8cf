import { rmdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { DataParts } from '../../data/dataset.js';
import { CheckpointError } from '../../base/errors.js';
import { replaceFile } from '../../base/files.js';
import { hashText } from '../../checkpoints/checkpoint-folder.js';
import {
  type FoundCheckpoint,
  listCheckpoints,
  tidyCheckpoints,
} from '../../checkpoints/checkpoint-list.js';
import {
  clearRunFolder,
  describeMachine,
  makeRunFolder,
  newestCheckpoint,
  newestWholeCheckpoint,
  refuseRun,
  type RunConfig,
  trimMetrics,
  writeRunConfig,
} from '../../checkpoints/run-folder.js';
import type { FolderLock, WriteLock } from '../../checkpoints/run-lock.js';
import { formatSchema, SCHEMA_FILE } from '../../data/tables/schema-file.js';
import type { TrainingSettings } from '../../settings/settings.js';
import type { RunPlan } from './plan-run.js';
import type { Resume } from './resume.js';

/** What a run is, before its folder is opened. */
export interface RunToOpen {
  readonly settings: TrainingSettings;
  readonly resume: Resume | null;
  readonly data: DataParts;
  readonly run: RunPlan;
  /** What `config.json` says of the data. */
  readonly recorded: RunConfig['data'];
}

/** A run folder that is this run's to write in. */
export interface OpenedRun {
  readonly runFolder: string;
  readonly lock: WriteLock;
  /** To go on from; null: from the beginning. */
  readonly checkpoint: FoundCheckpoint | null;
  /** A line for every checkpoint that was put aside. */
  readonly damaged: readonly string[];
}

/**
 * Makes a run folder or opens that of a run to go on with, and takes its lock.
 *
 * @param say takes a line when that has to wait
 * @throws ConfigError when it holds another run, is being written, or cannot be; CheckpointError
 *   when there is nothing to go on with
 */
export async function openRun(
  lock: FolderLock,
  { settings, resume, data, run, recorded }: RunToOpen,
  say: (line: string) => void,
): Promise<OpenedRun> {
  const runFolder = resume?.runFolder ?? settings.out ?? newRunFolder(settings);
  if (resume === null) refuseRun(runFolder);
  makeRunFolder(runFolder);
  const taken = await lock.take(runFolder, say);
  const damaged: string[] = [];
  if (resume) tidyCheckpoints(path.join(runFolder, 'checkpoints'));
  const checkpoint = resume && findCheckpoint(resume, settings, damaged);
  if (checkpoint === null) clearRunFolder(runFolder);
  else trimMetrics(runFolder, checkpoint.step);
  const schema = data.table ? formatSchema(data.table.schema) : null;
  // The config is last: it makes the folder a run's.
  if (schema !== null) replaceFile(path.join(runFolder, SCHEMA_FILE), schema);
  writeRunConfig(runFolder, {
    format: 'phantom-parallel run',
    version: 1,
    created: new Date().toISOString(),
    settings,
    specification: run.specification,
    loss: run.loss,
    steps: run.steps,
    data: recorded,
    ...(schema !== null && { files: { [SCHEMA_FILE]: hashText(schema) } }),
    ...describeMachine(),
  });
  return { runFolder, lock: taken, checkpoint, damaged };
}

/**
 * @param damaged takes a line for every checkpoint that is put aside
 * @throws CheckpointError when a run that began with a model has no intact checkpoint
 */
function findCheckpoint(
  { runFolder, from: which }: Resume,
  { from }: TrainingSettings,
  damaged: string[],
): FoundCheckpoint | null {
  if (which === 'newest') return newestCheckpoint(runFolder);
  const found = newestWholeCheckpoint(runFolder, (line) => damaged.push(line));
  if (found !== null) return found;
  const what = `${runFolder} has no intact checkpoint`;
  if (from !== null) {
    // The model has not been opened: what a run goes on with is in its own folder.
    throw new CheckpointError('run', `${what}; the same command starts it again from ${from}`);
  }
  damaged.push(`${what}: the run starts from the beginning`);
  return null;
}

/** A run that failed before its first checkpoint leaves nothing behind; its lock is given up. */
export function removeUnusedRun(runFolder: string, lock: FolderLock): void {
  const checkpoints = path.join(runFolder, 'checkpoints');
  if (listCheckpoints(checkpoints).length > 0) return;
  for (const name of ['config.json', 'metrics.jsonl', SCHEMA_FILE]) {
    rmSync(path.join(runFolder, name), { force: true });
  }
  tidyCheckpoints(checkpoints);
  lock.release();
  for (const folder of [checkpoints, runFolder]) {
    try {
      rmdirSync(folder);
    } catch {
      // Not ours alone: something else lies in it.
    }
  }
}

/** A folder for a run that nobody has named. */
export function newRunFolder({ strategy, width, blocks }: TrainingSettings): string {
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d+Z/g, '');
  return path.join('runs', `${time}-${strategy}-${width}x${blocks}`);
}
