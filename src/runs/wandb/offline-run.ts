import { createHash } from 'node:crypto';
import path from 'node:path';
import { PbfWriter } from 'pbf';
import { ConfigError } from '../../base/errors.js';
import { isSystemError, makeFolders, remedyFor, replaceFile } from '../../base/files.js';
import { figuresOf } from '../run-data.js';
import { runGroup } from '../run-group.js';
import { runState } from '../run-folders.js';
import type { RunRecord } from '../run-record.js';
import { loggedScalars, resultScalars } from '../scalars.js';
import { logFile } from './log-file.js';

const PROJECT = 'phantom-parallel';
/** The oldest version of its reader that knows all that is written here. */
const MIN_CONSUMER = '0.70.0';
/** States that a run ended well in; it has failed in others, and in these it has not ended. */
const ENDED_WELL: ReadonlySet<string> = new Set(['finished', 'target-loss', 'early-stopping']);
const NOT_ENDED: ReadonlySet<string> = new Set(['running', 'unended', 'dead']);

type Write = (writer: PbfWriter) => void;
type Values = Iterable<readonly [name: string, value: unknown]>;

/**
 * Writes runs as Weights & Biases writes those that are trained offline: a folder
 * `offline-run-DATE_TIME-ID` for each, with `run-ID.wandb`. `wandb sync` uploads them, and
 * `wandb leet` shows them in a terminal. A run that is there already is written again.
 *
 * @returns the runs' folders
 * @throws ConfigError when they cannot be written
 * @see wandb/proto/wandb_internal.proto and core/internal/transactionlog of wandb
 */
export function writeOfflineRuns(runs: readonly RunRecord[], root: string): string[] {
  try {
    return runs.map((run) => writeRun(run, path.resolve(root)));
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new ConfigError(
      'wandb',
      `cannot write in ${root}: ${error.message}; ${remedyFor(error)}`,
    );
  }
}

function writeRun(run: RunRecord, root: string): string {
  const { config, folder } = run;
  const source = `${path.resolve(folder)} ${config.created}`;
  const id = createHash('sha256').update(source).digest('hex').slice(0, 8);
  const startS = run.startTimeS ?? Date.parse(config.created) / 1000;
  const date = new Date(1000 * startS).toISOString().replaceAll(/[-:]|\..*$/g, '');
  const place = path.join(root, `offline-run-${date.replace('T', '_')}-${id}`);
  makeFolders(path.join(place, 'files'));
  const records = recordsOf(run, id, startS).map((write, i) => {
    const writer = new PbfWriter();
    writer.writeVarintField(1, i + 1);
    write(writer);
    return writer.finish();
  });
  replaceFile(path.join(place, `run-${id}.wandb`), logFile(records));
  return place;
}

/** The fields of each `Record`: header = 21, run = 17, history = 2, summary = 3, exit = 18 with
 * exit_code and runtime. */
function recordsOf(run: RunRecord, id: string, startS: number): Write[] {
  const state = runState(run);
  const steps = new Map<number, Record<string, number>>();
  const summary: Record<string, number> = {};
  for (const { step, elapsedS, scalars } of loggedScalars(run)) {
    const values = steps.get(step) ?? {
      _step: step,
      _runtime: elapsedS,
      _timestamp: startS + elapsedS,
    };
    for (const { tag, value } of scalars) values[tag] = value;
    steps.set(step, values);
    Object.assign(summary, values);
  }
  const figures = figuresOf(run);
  for (const { tag, value } of resultScalars(figures)) summary[tag] = value;
  const exit = [
    integer(1, ENDED_WELL.has(state) ? 0 : 1),
    integer(2, Math.round(figures.elapsedS)),
  ];
  return [
    message(21, message(1, text(1, PROJECT), text(2, MIN_CONSUMER))),
    message(17, ...runFields(run, id, startS)),
    ...[...steps].map(([step, values]) =>
      message(2, ...items(1, Object.entries(values)), message(2, integer(1, step))),
    ),
    message(3, ...items(1, Object.entries(summary))),
    ...(NOT_ENDED.has(state) ? [] : [message(18, ...exit)]),
  ];
}

/** Of a `RunRecord`: run_id, project, config, run_group, display_name, notes, tags, start_time. */
function runFields(run: RunRecord, id: string, startS: number): Write[] {
  const { config, name, problems, warnings } = run;
  const settings = Object.entries(config.settings).filter(([, value]) => value !== null);
  const seconds = Math.floor(startS);
  return [
    text(1, id),
    text(3, PROJECT),
    message(4, ...items(1, settings)),
    text(6, runGroup(config)),
    text(8, name),
    text(9, [...problems, ...warnings].join('\n\n')),
    text(10, `energy ${run.energy?.obtained ?? run.obtained}`),
    text(10, runState(run)),
    message(17, integer(1, seconds), integer(2, Math.round(1e9 * (startS - seconds)))),
  ];
}

/** Of history, summary and configuration: nested_key = 2, a path of one name, and value_json = 16. */
function items(field: number, values: Values): Write[] {
  return [...values].map(([name, value]) =>
    message(field, text(2, name), text(16, JSON.stringify(value))),
  );
}

function message(field: number, ...parts: readonly Write[]): Write {
  return (writer) =>
    writer.writeMessage(
      field,
      (all: readonly Write[], inner) => {
        for (const write of all) write(inner);
      },
      parts,
    );
}

function text(field: number, value: string): Write {
  return (writer) => writer.writeStringField(field, value);
}

function integer(field: number, value: number): Write {
  return (writer) => writer.writeVarintField(field, value);
}
