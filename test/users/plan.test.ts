import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import type { Plan } from 'phantom-parallel/analysis';
import { CommandLine } from '../support/command-line.js';
import { temporaryFolder } from '../support/files.js';

const folder = temporaryFolder({ after });

const commands = new CommandLine({ after }, folder);
const phantom = (...args: readonly string[]) => commands.run(...args);

describe('phantom plan', () => {
  it('tells three strategies apart, and says what the figures rest on', async () => {
    const sizes = ['--width', '4096', '--blocks', '8', '--ghosts', '16'];
    const { status, stdout } = await phantom('plan', '--machine', 'h100', ...sizes);
    assert.equal(status, 0);
    for (const word of [
      'tensor-paired',
      'decompression',
      'exposed',
      'modelled',
      'lower bounds',
      '≤',
    ]) {
      assert.ok(stdout.includes(word), word);
    }
    const json = await phantom('plan', '--machine', 'h100', ...sizes, '--json');
    const { plans } = JSON.parse(json.stdout) as { plans: Plan[] };
    assert.deepEqual(
      plans.map(({ strategy }) => strategy),
      ['phantom', 'tensor', 'tensor-paired'],
    );
    for (const plan of plans) assert.equal(plan.forwardFlops > 0 && plan.time !== null, true);
  });

  it('sweeps to 4,096 ranks, draws, and searches with reasons', async () => {
    const chart = path.join(folder, 'sweep.svg');
    const sweep = ['--width', '65536', '--sweep', 'blocks', '--json', '--chart', chart];
    const { plans } = JSON.parse((await phantom('plan', ...sweep)).stdout) as { plans: Plan[] };
    assert.equal(Math.max(...plans.map(({ ranks }) => ranks)), 4096);
    assert.match(readFileSync(chart, 'utf8'), /^<svg[^]*tensor-paired[^]*<\/svg>\s*$/);
    const ghosts = ['--width', '1024', '--blocks', '4', '--sweep', 'ghosts', '--chart', chart];
    await phantom('plan', ...ghosts);
    // A tensor-parallel network is a line beside all numbers of ghosts.
    const curves = readFileSync(chart, 'utf8').match(/<path d="M[^"]*" stroke="var\(--s\d\)"/g);
    assert.equal(curves?.length, 3);
    const search = await phantom('plan', '--width', '65536', '--search', '--memory', '1');
    assert.equal(search.status, 0);
    assert.match(search.stdout, /phantom, \d+ ranks, K = \d+: .* per step/);
    assert.match(
      search.stdout,
      /Not within the limits:\n.* needs .* GB per rank; the limit is 1\.00 GB/,
    );
  });

  it('refuses what is wrong in one line', async () => {
    const file = path.join(folder, 'bad.json');
    const mi250x = new URL('../../../machines/mi250x.json', import.meta.url);
    const text = readFileSync(mi250x, 'utf8');
    writeFileSync(file, text.replace('"value": 280', '"value": -280'));
    const cases: [string[], RegExp][] = [
      [['--machine', file], /power\.busyW\.value: is -280; needs a number of at least 0/],
      [['--machine', 'h10'], /unknown machine h10; give one of a100/],
      [['--sweep', 'ranks'], /--sweep is "ranks"; needs one of blocks, ghosts/],
      [['--chart', 'x.svg'], /--chart without --sweep/],
      [['--layer-ghosts', '3,8', '--search'], /--layer-ghosts with --sweep or --search/],
      [['--layer-ghosts', '3'], /layer ghosts \[3\] of 2 hidden layers/],
      [['--inputs', '3'], /give both --inputs and --outputs, or neither/],
      [['--search', '--memory', 'much'], /--memory is "much"; needs a number above 0/],
      [['--width', '100', '--blocks', '3'], /width 100 does not divide/],
    ];
    for (const [args, line] of cases) {
      const { status, stderr } = await phantom('plan', ...args);
      assert.equal(status, 2, args.join(' '));
      assert.match(stderr, line);
      assert.equal(stderr.trim().split('\n').length, 1, stderr);
    }
    const { status, stderr } = await phantom('calibrate', '--engine', 'gpu');
    assert.equal(status, 2);
    assert.match(stderr, /--engine is "gpu"; needs one of auto, blas, wasm/);
  });
});
