import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import { train } from '#src/app/train/train.js';
import { losses, temporaryFolder } from '../support/files.js';

describe('256 blocks', () => {
  it('train on 256 ranks to the bits of 2 ranks', async (context) => {
    const folder = temporaryFolder(context);
    const two = await run(path.join(folder, '2'), 2);
    assert.deepEqual(await run(path.join(folder, '256'), 256), two);
  });
});

async function run(out: string, ranks: number) {
  const end = await train({
    strategy: 'phantom',
    width: 1024,
    depth: 1,
    blocks: 256,
    ghosts: 1,
    ranks,
    engine: 'wasm',
    data: 'synthetic:teacher?widths=8,16,3&validation=8',
    batch: 8,
    steps: 3,
    out,
    logEvery: 1,
    timeout: 300,
  });
  assert.equal(end.step, 3);
  return losses(out);
}
