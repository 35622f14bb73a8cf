// File stores of MLflow: their files against the format that MLflow's `file_store.py` reads, and where
// Python has MLflow, what its own client says of them.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { temporaryFolder } from '../support/files.js';
import { writeRunFolder } from '../support/run-folder.js';

const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
const PYTHON = process.env['PHANTOM_MLFLOW_PYTHON'] ?? 'python3';
const START_MS = Date.parse('2026-01-02T03:04:06.000Z');

function writeStore(cwd: string): string {
  const args = [MAIN, 'report', 'runs', '--mlflow', 'store'];
  const { status, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return path.join(cwd, 'store');
}

/** Runs: finished and measured, killed, of other data, and of a target that was asked for. */
function writeRuns(cwd: string): void {
  writeRunFolder(path.join(cwd, 'runs/whole'), { obtained: 'counter' });
  writeRunFolder(path.join(cwd, 'runs/cut off'), {
    settings: { lr: 0.5 },
    lines: (lines) => [
      ...lines.slice(0, 3),
      '{"type":"warning","message":"beware"}',
      '{"type":"validation","step":20,"loss":0.5,"accuracy":null,"metrics":{"R² (%)/..":0.25}}',
      '',
    ],
  });
  writeRunFolder(path.join(cwd, 'runs/other'), { data: 'other.csv' });
  writeRunFolder(path.join(cwd, 'runs/with a target'), { settings: { target: ['y'] } });
}

type Meta = Readonly<Record<string, unknown>>;
const metaOf = (folder: string) =>
  parse(readFileSync(path.join(folder, 'meta.yaml'), 'utf8')) as Meta;
const text = (...parts: readonly string[]) => readFileSync(path.join(...parts), 'utf8');

/** As MLflow walks a store: folders of experiments, and in them those of runs. */
function readStore(root: string) {
  return readdirSync(root).flatMap((experiment) => {
    const folder = path.join(root, experiment);
    const meta = metaOf(folder);
    assert.match(experiment, /^\d{1,18}$/);
    assert.deepEqual([meta['experiment_id'], meta['lifecycle_stage']], [experiment, 'active']);
    return readdirSync(folder)
      .filter((name) => name !== 'meta.yaml')
      .map((id) => {
        const run = path.join(folder, id);
        const about = metaOf(run);
        assert.match(id, /^[0-9a-f]{32}$/);
        assert.deepEqual(
          [about['run_id'], about['run_uuid'], about['experiment_id'], about['source_type']],
          [id, id, experiment, 4],
        );
        assert.ok(existsSync(new URL(String(about['artifact_uri']))));
        return { name: String(about['run_name']), experiment: meta['name'], run, about };
      });
  });
}

describe('file stores for MLflow', () => {
  it('have an experiment for each data, and each run once', (context) => {
    const cwd = temporaryFolder(context);
    writeRuns(cwd);
    const [before] = readStore(writeStore(cwd));
    const added = ['tags/mlflow.note.content', 'tags/mine', 'artifacts/mine.txt'];
    const filesOfUsers = added.map((name) => path.join(before?.run ?? '', name));
    for (const file of filesOfUsers) writeFileSync(file, 'mine');
    const runs = readStore(writeStore(cwd));
    const names = runs.map(({ name, experiment }) => `${String(experiment)}: ${name}`);
    assert.deepEqual(names.toSorted(), [
      'other.csv, mse: other',
      'table.csv, mse: cut off',
      'table.csv, mse: whole',
      'table.csv: y, mse: with a target',
    ]);
    for (const file of filesOfUsers) assert.equal(text(file), 'mine');
    const named = (wanted: string) => runs.find(({ name }) => name === wanted);

    const { run = '', about = {} } = named('whole') ?? {};
    assert.deepEqual(
      [about['status'], about['start_time'], about['end_time']],
      [3, START_MS, START_MS + 500],
    );
    const loss = text(run, 'metrics/training/loss').trimEnd().split('\n');
    assert.equal(loss.length, 10);
    assert.equal(loss[0], `${START_MS + 50} 0.1 10`);
    assert.equal(text(run, 'metrics/energy/run_J').split('\n')[1], `${START_MS + 100} 5 20`);
    assert.equal(text(run, 'metrics/validation/loss').split('\n').length, 6);
    assert.equal(text(run, 'metrics/result/step_J'), `${START_MS + 500} 0.3 100\n`);
    assert.equal(text(run, 'params/optimizer'), 'adam');
    assert.equal(existsSync(path.join(run, 'params/epochs')), false);
    assert.equal(text(run, 'tags/mlflow.runName'), 'whole');
    assert.equal(text(run, 'tags/phantom.energy'), 'counter');
    assert.ok(existsSync(path.join(run, 'artifacts/config.json')));

    const cut = named('cut off')?.run ?? '';
    assert.match(text(cut, 'tags/phantom.notes'), /beware/);
    assert.equal(text(cut, 'params/lr'), '0.5');
    // Joules that are modelled are called so, and names stay in their folder.
    assert.ok(existsSync(path.join(cut, 'metrics/energy/run_J_modelled')));
    assert.match(text(cut, 'metrics/validation/R_ ___/_'), / 0\.25 20\n$/);
    for (const folder of ['metrics', 'params', 'tags']) {
      for (const name of readdirSync(path.join(cut, folder), { recursive: true })) {
        assert.match(String(name), /^[\w. /-]+$/);
      }
    }
  });

  it('are not written where a page is asked for', (context) => {
    const cwd = temporaryFolder(context);
    for (const [flags, message] of [
      [['--mlflow', 'store', '--out', 'x.html'], /--out with --mlflow, which writes no page/],
      [['--tensorboard', '--format', 'html'], /--format with --tensorboard, which writes no page/],
    ] as const) {
      const args = [MAIN, 'report', 'runs', ...flags];
      const { status, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8' });
      assert.equal(status, 2);
      assert.match(stderr, message);
    }
  });

  const has = spawnSync(PYTHON, ['-c', 'import mlflow'], { stdio: 'ignore' }).status === 0;
  it('are what MLflow reads', { skip: has ? false : `${PYTHON} has no mlflow` }, (context) => {
    const cwd = temporaryFolder(context);
    writeRuns(cwd);
    const script = `
import json, sys
from mlflow.tracking import MlflowClient
client = MlflowClient(tracking_uri=sys.argv[1])
runs = [run for one in client.search_experiments() for run in client.search_runs([one.experiment_id])]
print(json.dumps(sorted([run.info.run_name, run.info.status, run.data.params["lr"],
  run.data.metrics["training/loss"], len(client.get_metric_history(run.info.run_id, "training/loss")),
  [one.path for one in client.list_artifacts(run.info.run_id)]] for run in runs)))`;
    const env = { ...process.env, MLFLOW_ALLOW_FILE_STORE: 'true' };
    const args = ['-c', script, writeStore(cwd)];
    const { stdout, stderr } = spawnSync(PYTHON, args, { encoding: 'utf8', env });
    const said = stdout.trim().split('\n').at(-1) ?? '';
    assert.ok(said.startsWith('['), stderr);
    const [cut, other, whole] = JSON.parse(said) as unknown[][];
    assert.deepEqual(whole, ['whole', 'FINISHED', '0.01', 0.01, 10, ['config.json']]);
    assert.deepEqual(other?.slice(0, 2), ['other', 'FINISHED']);
    assert.deepEqual([cut?.[0], cut?.[2], cut?.[4]], ['cut off', '0.5', 2]);
  });
});
