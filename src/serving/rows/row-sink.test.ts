import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { openSink } from './row-sink.js';

test('of two that write one file at once, each is whole, and the last one stays', async (context) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'phantom-test-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const columns = [{ name: 'y', kind: 'real' }] as const;
  const answers = (value: number) => ({
    rows: 2,
    numbers: new Float32Array(2).fill(value),
    texts: [],
  });
  for (const format of ['csv', 'npy', 'jsonl', 'parquet', 'safetensors']) {
    const file = path.join(folder, `y.${format}`);
    const alone = openSink(file, columns);
    for (let i = 0; i < 3; i++) alone.write(answers(1));
    await alone.finish();
    const wanted = readFileSync(file);
    const [one, two] = [openSink(file, columns), openSink(file, columns)];
    for (let i = 0; i < 3; i++) {
      one.write(answers(1));
      two.write(answers(2));
    }
    await two.finish();
    await one.finish();
    assert.deepEqual(readFileSync(file), wanted);
  }
  assert.ok(readdirSync(folder).every((name) => name.startsWith('y.')));
});
