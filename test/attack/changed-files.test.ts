import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { evaluate, train } from 'phantom-parallel';
import { openModel, writeModel } from 'phantom-parallel/checkpoints';
import { CheckpointError } from '#src/base/errors.js';
import { temporaryFolder } from '../support/files.js';
import { COMMAND } from './support/served.js';

const folder = temporaryFolder({ after });
const run = path.join(folder, 'run');
const checkpoint = path.join(run, 'checkpoints', 'step-00000002');
before(async () => {
  const rows = Array.from({ length: 40 }, (_, i) => `${i},${(i * 7) % 11},${i % 2 ? 'a' : 'b'}`);
  writeFileSync(path.join(folder, 'table.csv'), `u,v,w\n${rows.join('\n')}\n`);
  await train({
    ...{ data: path.join(folder, 'table.csv'), validation: 0.2, width: 8, depth: 1, blocks: 2 },
    ...{ ghosts: 1, ranks: 1, engine: 'wasm', batch: 4, steps: 2, out: run },
  });
});

/** Calls `use` with a copy of the run in which each digit in turn is one more. */
async function withEachDigit(
  name: string,
  every: number,
  use: (copy: string, file: string) => Promise<void>,
): Promise<void> {
  const copy = path.join(folder, 'copy');
  cpSync(run, copy, { recursive: true });
  const file = path.join(copy, name);
  const text = readFileSync(file, 'latin1');
  const digits = [...text.matchAll(/\d/g)].filter((_, i) => i % every === 0);
  assert.ok(digits.length > 0, `${digits.length} digits`);
  for (const { index, 0: digit } of digits) {
    const changed = text.slice(0, index) + ((Number(digit) + 1) % 10) + text.slice(index + 1);
    writeFileSync(file, changed, 'latin1');
    await use(copy, file);
  }
  rmSync(copy, { recursive: true });
}

function names(file: string) {
  return (error: Error) => {
    assert.ok(error instanceof CheckpointError, String(error));
    assert.ok(error.message.includes(file), error.message);
    return true;
  };
}

describe('one changed digit is an error that names the file', () => {
  it('in config.json, of whoever opens the run', async () => {
    await withEachDigit('config.json', 3, async (copy, file) => {
      assert.throws(() => openModel(copy), names(file));
      await assert.rejects(train({ steps: 3 }, { resume: copy }), names(file));
    });
  });

  it('in the schema of the run and of the checkpoint', async () => {
    await withEachDigit('schema.json', 1, async (copy, file) => {
      await assert.rejects(train({ steps: 3 }, { resume: copy }), names(file));
    });
    const name = path.join('checkpoints', 'step-00000002', 'schema.json');
    await withEachDigit(name, 1, async (copy, file) => {
      await assert.rejects(evaluate({ model: copy, engine: 'wasm' }), names(file));
    });
  });

  it('in model.json', () => {
    const model = path.join(folder, 'model');
    const { schema: _, ...opened } = openModel(run);
    const weight = { name: 'w', dtype: 'F32', shape: [1], data: new Float32Array(1) } as const;
    const description = { ...opened, schema: null, source: {} };
    writeModel(model, description, [() => [weight]]);
    openModel(model);
    const file = path.join(model, 'model.json');
    const text = readFileSync(file, 'utf8');
    const [scale = ''] = /\d\.\d+/.exec(text) ?? [];
    writeFileSync(file, text.replace(scale, `${Number(scale) + 1}`));
    assert.throws(() => openModel(model), names(file));
  });
});

describe('a description that was changed on purpose', () => {
  it('counts without its hash, and the process says so once', () => {
    const copy = path.join(folder, 'purpose');
    cpSync(run, copy, { recursive: true });
    const file = path.join(copy, 'config.json');
    const changed = readFileSync(file, 'utf8').replace('"seed": 0', '"seed": 1');
    writeFileSync(file, changed);
    assert.throws(() => openModel(copy), /if it was meant, remove the entry "hash"/);
    writeFileSync(file, changed.replace(/,\s*"hash": "\w+"\s*\}\s*$/, '}'));
    const args = [COMMAND, 'eval', copy, '--engine', 'wasm'];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    assert.equal(stderr.match(/config\.json has no hash of itself/g)?.length, 1, stderr);
    assert.equal(openModel(checkpoint).step, 2);
  });
});
