import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { stringify } from 'yaml';
import { ConfigError } from '../../base/errors.js';
import { isSystemError, makeFolders, remedyFor, replaceFile } from '../../base/files.js';
import { figuresOf, type RunState } from '../run-data.js';
import { runGroup } from '../run-group.js';
import { runState } from '../run-folders.js';
import type { RunRecord } from '../run-record.js';
import { loggedScalars, resultScalars } from '../scalars.js';

/** MLflow's `RunStatus`. */
const STATUS = { running: 1, finished: 3, failed: 4, killed: 5 } as const;
const STATUS_OF: Readonly<Record<RunState, keyof typeof STATUS>> = {
  running: 'running',
  finished: 'finished',
  'target-loss': 'finished',
  'early-stopping': 'finished',
  diverged: 'failed',
  interrupted: 'killed',
  dead: 'killed',
  unended: 'running',
};
/** Its `SourceType.LOCAL`. */
const LOCAL = 4;
/** Longest values that its databases take. */
const MOST_PARAMETER = 6000;
const MOST_TAG = 5000;

/**
 * Writes runs into a file store of MLflow: an experiment for each data, targets and loss, in it a folder for
 * each run with the files `metrics/NAME` (a line `milliseconds value step` each), `params/NAME`,
 * `tags/NAME`, `artifacts/` and `meta.yaml`. Of a run that is there already these files are
 * replaced; what MLflow's users added stays.
 *
 * @returns the runs' folders
 * @throws ConfigError when the store cannot be written
 * @see mlflow/store/tracking/file_store.py of MLflow 3
 */
export function writeFileStore(runs: readonly RunRecord[], root: string): string[] {
  try {
    return runs.map((run) => writeRun(run, path.resolve(root)));
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new ConfigError(
      'mlflow',
      `cannot write in ${root}: ${error.message}; ${remedyFor(error)}`,
    );
  }
}

function writeRun(run: RunRecord, root: string): string {
  const { config, folder, name } = run;
  const group = runGroup(config);
  // Databases want a number.
  const experiment = Number.parseInt(idOf(group, 12), 16).toString();
  const place = path.join(root, experiment);
  const id = idOf(`${path.resolve(folder)} ${config.created}`, 32);
  const runFolder = path.join(place, id);
  const startMs = Math.round(1000 * (run.startTimeS ?? Date.parse(config.created) / 1000));
  const lasted = figuresOf(run).elapsedS;
  const state = runState(run);
  const status = STATUS[STATUS_OF[state]];
  const artifacts = path.join(runFolder, 'artifacts');
  makeFolders(artifacts);
  replaceFile(path.join(artifacts, 'config.json'), readFileSync(path.join(folder, 'config.json')));
  if (!existsSync(path.join(place, 'meta.yaml'))) {
    writeYaml(place, {
      artifact_location: pathToFileURL(place).href,
      creation_time: startMs,
      experiment_id: experiment,
      last_update_time: startMs,
      lifecycle_stage: 'active',
      name: group,
    });
  }
  const write = (kind: string, entry: string, text: string) => {
    const file = path.join(runFolder, kind, ...validName(entry).split('/'));
    makeFolders(path.dirname(file));
    replaceFile(file, text);
  };
  for (const [metric, lines] of metricLines(run, startMs)) write('metrics', metric, lines);
  for (const [key, value] of Object.entries(config.settings)) {
    if (value !== null) write('params', key, String(value).slice(0, MOST_PARAMETER));
  }
  const notes = [...run.problems, ...run.warnings];
  const tags = {
    'mlflow.runName': name,
    'mlflow.source.name': 'phantom-parallel',
    'mlflow.source.type': 'LOCAL',
    'phantom.folder': path.resolve(folder),
    'phantom.state': state,
    'phantom.energy': run.energy?.obtained ?? run.obtained,
    'phantom.notes': notes.join('\n\n'),
  };
  for (const [key, value] of Object.entries(tags)) write('tags', key, value.slice(0, MOST_TAG));
  // A folder without it is no run: it comes last.
  writeYaml(runFolder, {
    artifact_uri: pathToFileURL(artifacts).href,
    end_time: status === STATUS.running ? null : startMs + Math.round(1000 * lasted),
    entry_point_name: '',
    experiment_id: experiment,
    lifecycle_stage: 'active',
    run_id: id,
    run_name: name,
    run_uuid: id,
    source_name: '',
    source_type: LOCAL,
    source_version: '',
    start_time: startMs,
    status,
    tags: [],
    user_id: '',
  });
  return runFolder;
}

/** Values of each name, in the order of their steps; what a run came to stands at its last step. */
function metricLines(run: RunRecord, startMs: number): Map<string, string> {
  const lines = new Map<string, string>();
  for (const { step, elapsedS, scalars } of [...loggedScalars(run), resultScalars(run)]) {
    for (const { tag, value } of scalars) {
      const line = `${startMs + Math.round(1000 * elapsedS)} ${value} ${step}\n`;
      lines.set(tag, (lines.get(tag) ?? '') + line);
    }
  }
  return lines;
}

/** Names have letters, digits, `_`, `-`, `.`, spaces and `/`, and are paths that stay in their folder. */
function validName(name: string): string {
  const parts = name.split('/').map((part) => part.replaceAll(/[^\w. -]/g, '_'));
  return parts.map((part) => (/^\.*$/.test(part) ? '_' : part)).join('/');
}

function idOf(text: string, length: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length);
}

function writeYaml(folder: string, value: object): void {
  makeFolders(folder);
  replaceFile(path.join(folder, 'meta.yaml'), stringify(value));
}
