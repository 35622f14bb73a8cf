import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { evaluate, predict, train, type TrainSettings } from 'phantom-parallel';
import { newestWholeCheckpoint, openModel } from 'phantom-parallel/checkpoints';
import { CheckpointError, ConfigError, PhantomError } from '#src/base/errors.js';
import {
  type CheckpointState,
  formatCheckpointState,
  readCheckpointState,
} from '#src/checkpoints/checkpoint-folder.js';
import { readMachine } from '#src/machine/machines.js';
import { readPower } from '#src/machine/power-file.js';
import { readRun } from '#src/runs/run-folders.js';
import { loadConfigFile } from '#src/settings/config-file.js';
import { temporaryFolder } from '../support/files.js';

const folder = temporaryFolder({ after });
const run = path.join(folder, 'run');
const SETTINGS: TrainSettings = {
  ...{ width: 8, depth: 1, blocks: 2, ghosts: 1, ranks: 1, batch: 4, steps: 2 },
  ...{ data: 'synthetic:teacher?widths=4,8,2', engine: 'wasm' },
};
before(() => train({ ...SETTINGS, out: run }));

/** A copy of the run, in which `name` is something else. */
function copyWith(name: string, make: (file: string) => void): string {
  const copy = path.join(folder, 'copy');
  rmSync(copy, { recursive: true, force: true });
  cpSync(run, copy, { recursive: true });
  const file = path.join(copy, name);
  rmSync(file, { recursive: true });
  make(file);
  return copy;
}

function pipe(file: string): void {
  assert.equal(spawnSync('mkfifo', [file]).status, 0);
}

it('what is not JSON is refused in a line', () => {
  for (const name of ['config.json', 'checkpoints/step-00000002/state.json']) {
    const copy = copyWith(name, (file) => writeFileSync(file, '{\n "a":\n ,\n "b": 1\n}\n'));
    assert.throws(
      () => openModel(copy),
      /^CheckpointError: [^\n]*: not JSON; the file is damaged$/,
    );
  }
});

it('a best validation by a metric that there is none of is damage', () => {
  const name = 'checkpoints/step-00000002/state.json';
  const { stateSha256: _own, ...state } = JSON.parse(
    readFileSync(path.join(run, name), 'utf8'),
  ) as CheckpointState;
  const best = { by: 'odd' as 'loss', value: 1, step: 2 };
  const text = formatCheckpointState({ ...state, progress: { ...state.progress, best } });
  const copy = copyWith(name, (file) => writeFileSync(file, text));
  assert.throws(() => openModel(copy), /^CheckpointError: .*: progress is damaged$/);
});

describe('what is no regular file', { skip: process.platform === 'win32' && 'no pipes' }, () => {
  const step = 'checkpoints/step-00000002';

  it('is refused in a run, and not waited for', async () => {
    const names = ['config.json', ...readdirSync(path.join(run, step)).map((n) => `${step}/${n}`)];
    for (const name of names) {
      const copy = copyWith(name, pipe);
      await assert.rejects(train({ steps: 3 }, { resume: copy }), CheckpointError, name);
      if (!name.includes('optimizer')) {
        assert.throws(() => openModel(copy), /is not a regular file/, name);
      }
    }
    assert.throws(() => readRun(copyWith('metrics.jsonl', pipe)), /is not a regular file/);
  });

  it('is refused as data, config and machine', async () => {
    for (const name of ['t.csv', 't.json', 't.jsonl', 't.parquet', 't.npy', 't.safetensors']) {
      const file = path.join(folder, name);
      pipe(file);
      const settings = { ...SETTINGS, data: file, out: path.join(folder, 'other') };
      await assert.rejects(train(settings), PhantomError, name);
      await assert.rejects(
        predict({ model: run, data: file, out: path.join(folder, 'y.csv') }),
        PhantomError,
        name,
      );
    }
    const tables = path.join(folder, 'tables');
    mkdirSync(tables);
    pipe(path.join(tables, 'a.csv'));
    const settings = { ...SETTINGS, data: tables, out: path.join(folder, 'other') };
    await assert.rejects(train(settings), /not a regular file/);
    const file = path.join(folder, 'machine.json');
    pipe(file);
    assert.throws(() => loadConfigFile(file), ConfigError);
    await assert.rejects(readMachine(file), ConfigError);
    assert.throws(() => readPower(file), /not a regular file/);
    assert.throws(() => loadConfigFile('/dev/zero'), /not a regular file/);
  });
});

describe('a checkpoint', () => {
  it('of more ranks than it has files is refused before memory is taken', () => {
    const { stateSha256: _, ...state } = readCheckpointState(
      path.join(run, 'checkpoints', 'step-00000002'),
    );
    for (const ranks of [2 ** 31, 2 ** 52]) {
      const copy = copyWith('checkpoints/step-00000002/state.json', (file) =>
        writeFileSync(file, formatCheckpointState({ ...state, ranks })),
      );
      assert.throws(() => openModel(copy), /entries are missing or damaged/);
    }
  });

  const root = process.getuid?.() === 0;
  const skip = !root && 'only root can become another user';
  it('that may not be read is said to be that, and stays where it is', { skip }, async () => {
    const copy = copyWith('metrics.jsonl', (file) => writeFileSync(file, ''));
    chmodSync(folder, 0o755);
    const state = path.join(copy, 'checkpoints', 'step-00000002', 'state.json');
    chmodSync(state, 0o600);
    process.seteuid?.(65_534);
    try {
      assert.throws(
        () => newestWholeCheckpoint(copy, assert.fail),
        /EACCES.*this user may not read it/,
      );
      await assert.rejects(evaluate({ model: copy }), /EACCES.*this user may not read it/);
    } finally {
      process.seteuid?.(0);
    }
    assert.ok(existsSync(state));
    assert.equal(readFileSync(state, 'utf8').length > 0, true);
  });
});
