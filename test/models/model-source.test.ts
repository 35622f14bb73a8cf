import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { evaluate } from '#src/app/evaluate/evaluate-run.js';
import { train } from '#src/app/train/train.js';
import { CheckpointError, ConfigError } from '#src/base/errors.js';
import { writeModel } from '#src/models/model-folder.js';
import { openModel } from '#src/models/model-source.js';
import { readCheckpoint, temporaryFolder } from '../support/files.js';

let folder = '';
let run = '';
let checkpoint = '';
let model = '';
const cleanup: (() => void)[] = [];

before(async () => {
  folder = temporaryFolder({ after: (work: () => void) => cleanup.push(work) });
  run = path.join(folder, 'run');
  await train({
    ...({ strategy: 'phantom', width: 32, blocks: 4, ghosts: 3, depth: 1, ranks: 2 } as const),
    ...({ engine: 'wasm', steps: 3, batch: 20, out: run } as const),
  });
  checkpoint = path.join(run, 'checkpoints', 'step-00000003');
  model = path.join(folder, 'models', 'm');
  const tensors = [...readCheckpoint(checkpoint)].map(([name, { shape, values }]) => ({
    ...({ name, dtype: 'F32', shape, data: Float32Array.from(values) } as const),
  }));
  const opened = openModel(run);
  writeModel(model, { ...opened, source: { run } }, [
    () => tensors.slice(0, 4),
    () => tensors.slice(4),
  ]);
});

after(() => {
  for (const work of cleanup) work();
});

describe('a model', () => {
  it('opens as a run, as a checkpoint and as a model folder, the same network', () => {
    const [ofRun, ofCheckpoint, ofModel] = [run, checkpoint, model].map((each) => openModel(each));
    assert.deepEqual(
      [ofRun, ofCheckpoint, ofModel].map((opened) => [opened?.kind, opened?.step]),
      [
        ['run', 3],
        ['checkpoint', 3],
        ['model', null],
      ],
    );
    for (const opened of [ofCheckpoint, ofModel]) {
      assert.deepEqual(opened?.specification, ofRun?.specification);
      assert.deepEqual(opened?.standardization, ofRun?.standardization);
      assert.equal(opened?.loss, 'cross-entropy');
    }
    assert.equal(ofRun?.weights, checkpoint);
    assert.equal(openModel(path.join(run, 'checkpoints', 'step-00000000')).step, 0);
  });

  it('is evaluated like the checkpoint that it was written from, on other ranks too', async () => {
    const request = { data: 'fashion-10k', engine: 'wasm', batch: 500, checkpoint: null } as const;
    const whole = await evaluate({ ...request, model: run, ranks: 1 });
    for (const ranks of [1, 4]) {
      const report = await evaluate({ ...request, model, ranks });
      assert.equal(report.loss, whole.loss);
      assert.equal(report.accuracy, whole.accuracy);
      assert.equal(report.step, null);
    }
    await assert.rejects(evaluate({ ...request, model, ranks: 1, data: null }), /give --data/);
  });

  it('is written whole or not at all', () => {
    const opened = openModel(run);
    const again = () => writeModel(model, { ...opened, source: {} }, []);
    assert.throws(
      again,
      (error) => error instanceof ConfigError && /already exists/.test(error.message),
    );
    const other = path.join(folder, 'models', 'other');
    const broken = () => {
      throw new RangeError('no weights');
    };
    assert.throws(
      () => writeModel(other, { ...opened, source: {} }, [() => [], broken]),
      RangeError,
    );
    assert.deepEqual(readdirSync(path.dirname(other)), ['m']);
  });

  it('is refused where something is missing or damaged, in one clear line', () => {
    const copy = path.join(folder, 'copy');
    const refused = (change: () => void, message: RegExp) => {
      cpSync(model, copy, { recursive: true });
      change();
      assert.throws(
        () => openModel(copy),
        (error) => error instanceof CheckpointError && message.test(error.message),
      );
      rmSync(copy, { recursive: true });
    };
    const edit = (name: string, to: (text: string) => string) => {
      const file = path.join(copy, name);
      writeFileSync(file, to(readFileSync(file, 'latin1')), 'latin1');
    };
    const shard = 'model-00002-of-00002.safetensors';
    refused(() => edit(shard, (text) => `${text.slice(0, -1)}\u0001`), /SHA-256 does not match/);
    refused(() => edit(shard, (text) => text.slice(0, -1)), /bytes, \d+ were written; write the/);
    refused(() => rmSync(path.join(copy, shard)), /no such file/);
    refused(() => edit('model.json', () => '{'), /model\.json: /);
    refused(() => edit('model.json', () => '{}'), /not the description of a model/);
    refused(() => edit('model.json', (text) => text.replace('"width": 32', '"width": 31')), /31/);
    refused(() => edit('model.json', (text) => text.replace(shard, `../${shard}`)), /files is/);
    refused(
      () => edit('model.json', (text) => text.replace('"mean": [', '"mean": [1,')),
      /standard/,
    );
    refused(() => edit('model.json', (text) => text.replace('cross-entropy', 'x')), /loss is "x"/);
    refused(() => rmSync(path.join(copy, 'model.json')), /not a run folder, checkpoint or model/);
    assert.ok(!existsSync(copy));
    assert.throws(() => openModel(copy), /no such run folder, checkpoint or model folder/);
    mkdirSync(path.join(folder, 'elsewhere'));
    renameSync(checkpoint, path.join(folder, 'elsewhere', 'step-00000003'));
    assert.throws(() => openModel(path.join(folder, 'elsewhere', 'step-00000003')), /outside its/);
  });
});
