import { existsSync, readdirSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { CheckpointError, PhantomError } from '../base/errors.js';
import { isSystemError } from '../base/files.js';
import { readSmall } from '../base/regular-file.js';
import { readRunConfig } from '../checkpoints/run-folder.js';
import { type RunData, runData, type RunState } from './run-data.js';
import { EventReader, type RunRecord } from './run-record.js';

const MOST_METRICS_BYTES = 1 << 28;
/** Folders without a run that are named. */
const MOST_NAMED = 3;

/** Folders of runs: those given, and those one level inside one that is none itself. */
function runFolders(given: readonly string[]): { folders: string[]; skipped: string[] } {
  const skipped: string[] = [];
  const isRun = (folder: string) => existsSync(path.join(folder, 'config.json'));
  const all = given.flatMap((folder) => {
    if (isRun(folder) || !isFolder(folder)) return [folder];
    const inside = readdirSync(folder)
      .filter((name) => !name.startsWith('.'))
      .map((name) => path.join(folder, name))
      .filter(isFolder)
      .toSorted();
    const runs = inside.filter(isRun);
    if (runs.length === 0) return [folder];
    skipped.push(...inside.filter((each) => !runs.includes(each)));
    return runs;
  });
  const folders = [...new Map(all.map((folder) => [path.resolve(folder), folder])).values()];
  return { folders, skipped };
}

/** What is said of folders that are passed over; empty where none are. */
export function skippedNotes(folders: readonly string[]): string[] {
  if (folders.length === 0) return [];
  const more = folders.length - MOST_NAMED;
  const named = more > 1 ? [...folders.slice(0, MOST_NAMED), `${more} more`] : folders;
  return [`skipped: no config.json of a run in ${named.join(', ')}`];
}

function readMetrics(file: string): string {
  try {
    return readSmall(file, MOST_METRICS_BYTES).toString('utf8');
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new CheckpointError('run', error.message, { cause: error });
  }
}

function isFolder(folder: string): boolean {
  return statSync(folder, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** Reads what a run has written so far. @throws CheckpointError when it is no run of this version */
export function readRun(folder: string, name = path.basename(path.resolve(folder))): RunRecord {
  const config = readRunConfig(folder);
  const file = path.join(folder, 'metrics.jsonl');
  if (!existsSync(file)) {
    throw new CheckpointError('run', `${folder} has no metrics.jsonl; the run has not started`);
  }
  const reader = new EventReader();
  const lines = readMetrics(file).split('\n');
  const tail = lines.pop() ?? '';
  for (const [i, line] of lines.entries()) reader.read(line, i + 1);
  return reader.record(folder, name, config, tail);
}

/** Runs that were read, and why others were not. */
export interface FoundRuns {
  readonly runs: readonly RunRecord[];
  readonly problems: readonly string[];
}

/** Reads the runs in some folders; each has a name of its own. */
export function readRuns(given: readonly string[]): FoundRuns {
  const { folders, skipped } = runFolders(given);
  const names = distinctNames(folders);
  const runs: RunRecord[] = [];
  const problems = skippedNotes(skipped);
  for (const [i, folder] of folders.entries()) {
    try {
      runs.push(readRun(folder, names[i]));
    } catch (error) {
      if (!(error instanceof PhantomError)) throw error;
      problems.push(error.message);
    }
  }
  return { runs, problems };
}

/** A run as pages take it, with what its folder says of whether it goes on. */
export function describeRun(run: RunRecord): RunData {
  return runData(run, runState(run));
}

/** How a run stands by its end event, or by its process and folder. */
export function runState(run: RunRecord): RunState {
  if (run.end !== null) return run.end.reason;
  const file = path.join(run.folder, 'metrics.jsonl');
  const writtenMs = statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const alive = isAlive(run, (Date.now() - writtenMs) / 1000);
  return alive === null ? 'unended' : alive ? 'running' : 'dead';
}

const SURELY_ALIVE_S = 120;
const SURELY_DEAD_S = 3600;

/** null: not known, as of a process on another machine that has been silent for a while. */
function isAlive({ start }: RunRecord, silentS: number): boolean | null {
  if (start?.host === os.hostname() && Number.isSafeInteger(start.pid) && start.pid > 0) {
    try {
      return process.kill(start.pid, 0);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EPERM';
    }
  }
  return silentS < SURELY_ALIVE_S ? true : silentS > SURELY_DEAD_S ? false : null;
}

/** Base names, and as much of the path as makes equal ones differ. */
export function distinctNames(folders: readonly string[]): string[] {
  const parts = folders.map((folder) => path.resolve(folder).split(path.sep));
  for (let length = 1; length < 32; length++) {
    const names = parts.map((part) => part.slice(-length).join('/'));
    if (new Set(names).size === names.length) return names;
  }
  return [...folders];
}
