// The script that checks the CUDA engine on a GPU: packed, and rehearsed from the pack on the stand-in for CUDA's
// libraries.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { summaryOf } from '../../bench/gpu/summary.js';
import { reasonToSkipFakeCuda } from '../fakes/cuda/build.js';
import { temporaryFolder } from '../support/files.js';

const SCRIPT = 'scripts/gpu-check.sh';
const LEFT_OUT = 77;
/** What a part needs that only a machine with a GPU has. */
const MAY_BE_LEFT_OUT = new Set(['devices', 'memcheck', 'racecheck', 'pytorch', 'compiled']);

test(
  'a pack of at most 64 MiB has all that every part needs',
  { skip: reasonToSkipFakeCuda() ?? false },
  (context) => {
    const folder = temporaryFolder(context);
    const pack = path.join(folder, 'pack.tar.gz');
    const env = { ...process.env, PHANTOM_NODE: process.execPath };
    const packed = spawnSync('bash', [SCRIPT, '--pack', pack], { encoding: 'utf8', env });
    assert.equal(packed.status, 0, packed.stderr);
    assert.ok(statSync(pack).size <= 64 * 2 ** 20);
    const out = path.join(folder, 'out');
    const args = [SCRIPT, '--rehearse', '--out', out, pack];
    const { status, stdout, stderr } = spawnSync('bash', args, {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'] },
    });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^REHEARSAL on a stand-in: these figures are no measurements\.$/m);
    const results = readFileSync(path.join(out, 'results.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const parts = results.filter((one) => 'status' in one);
    assert.equal(parts.length, 11);
    for (const { part, status: ended, note } of parts) {
      const mayBe = MAY_BE_LEFT_OUT.has(String(part)) ? [0, LEFT_OUT] : [0];
      assert.ok(mayBe.includes(Number(ended)), `${part}: ${note}`);
    }
    const measured = results.filter((one) => !('status' in one) && one['by'] !== 'pytorch');
    assert.ok(measured.length > 0 && measured.every(({ rehearse }) => rehearse === true));
    assert.deepEqual(
      new Set(measured.map(({ part }) => part)),
      new Set(['losses', 'products', 'steps', 'energy']),
    );
  },
);

test('a summary holds the worst product, the best steps and the joules against their targets', () => {
  const step = (by: string, width: number, stepMs: number, blocks?: number) => ({
    ...{ part: 'steps', strategy: 'tensor', compute: 'float32' },
    ...{ by, width, stepMs, ...(blocks !== undefined && { blocks }) },
  });
  const lines = summaryOf([
    { part: 'products', compute: 'tf32', share: 0.95 },
    { part: 'products', compute: 'tf32', share: 0.89 },
    ...[step('phantom-parallel', 4096, 2, 8), step('phantom-parallel', 4096, 1.6, 1)],
    ...[step('pytorch', 4096, 2), step('pytorch', 4096, 3), step('phantom-parallel', 8192, 9)],
    { part: 'energy', strategy: 'phantom', stepJ: 1 },
    { part: 'energy', strategy: 'tensor', blocks: 8, stepJ: 3 },
    { part: 'energy', strategy: 'tensor', blocks: 1, stepJ: 2 },
    { part: 'memcheck', status: LEFT_OUT, seconds: 0, note: 'none' },
  ]);
  assert.deepEqual(
    lines.map(({ value, met }) => [value, met]),
    [
      [0.89, false],
      [0.8, true],
      [null, null],
      [0.5, true],
      [0, null],
    ],
  );
  assert.match(lines[1]?.what ?? '', /1\.60 ms, 1 block/);
  assert.match(lines[3]?.what ?? '', /the better tensor, 1 block/);
});
