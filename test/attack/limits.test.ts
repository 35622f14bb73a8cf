import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { train, type TrainSettings } from 'phantom-parallel';
import { stopOnSignals } from '#src/cli/stop.js';
import { temporaryFolder } from '../support/files.js';
import { COMMAND } from './support/served.js';

const linux = process.platform === 'linux';
const SETTINGS: TrainSettings = {
  ...{ data: 'synthetic:teacher?widths=4,8,2', width: 8, depth: 1, blocks: 2, ghosts: 1 },
  ...{ ranks: 1, batch: 4 },
  engine: 'wasm',
};
const TRAIN = [
  ...['train', '--data', 'synthetic:teacher?widths=4,8,2', '--width', '8', '--depth', '1'],
  ...['--blocks', '2', '--ghosts', '1', '--ranks', '2', '--engine', 'wasm', '--batch', '4'],
];

describe('too low a limit', { skip: !linux && 'limits are read from /proc' }, () => {
  const limited = (limit: string, out: string) => {
    const command = [process.execPath, COMMAND, ...TRAIN, '--steps', '2', '--out', out];
    const words = command.map((word) => `'${word}'`).join(' ');
    return spawnSync('bash', ['-c', `ulimit ${limit}; ${words}`], { encoding: 'utf8' });
  };
  const refused = (limit: string, out: string, what: RegExp): string => {
    const { status, stderr } = limited(limit, out);
    assert.equal(status, 2, stderr);
    assert.match(stderr, what);
    assert.equal(stderr.trimEnd().split('\n').length, 1, stderr);
    return /; set ulimit (-\w \d+)/.exec(stderr)?.[1] ?? '';
  };

  for (const [limit, what] of [
    ['-n 60', /2 ranks need \d+ open files, ulimit -n is 60/],
    ['-v 12000000', /2 ranks need \d+ KiB of address space, ulimit -v is 12000000/],
  ] as const) {
    it(`(${limit}) is one line with the number, with which it runs`, (context) => {
      const out = path.join(temporaryFolder(context), 'run');
      const enough = refused(limit, out, what);
      const { status, stderr } = limited(enough, out);
      assert.equal(status, 0, stderr);
    });
  }

  it('of threads is one line with the number', (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    refused('-u 16', out, /2 ranks need \d+ threads, ulimit -u is 16/);
  });

  it('of files for any command is one line with the number', () => {
    const { status, stderr } = spawnSync(
      'bash',
      ['-c', `ulimit -n 44; '${process.execPath}' '${COMMAND}' plan --width 64`],
      { encoding: 'utf8' },
    );
    assert.equal(status, 2, stderr);
    assert.match(stderr, /this command needs \d+ open files, ulimit -n is 44; set ulimit -n \d+$/m);
  });
});

describe('a terminal that goes away (SIGHUP)', () => {
  it('ends a run with a checkpoint, as SIGTERM does', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    const args = [COMMAND, ...TRAIN, '--ranks', '1', '--steps', '1000000', '--json', '--out', out];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let sent = false;
    let last: { type?: string; reason?: string; resumeCommand?: string } = {};
    createInterface(child.stdout).on('line', (line) => {
      last = JSON.parse(line) as typeof last;
      if (last.type === 'step' && !sent) sent = child.kill('SIGHUP');
    });
    child.stderr.resume();
    const [code] = (await once(child, 'close')) as [number | null];
    assert.equal(code, 129);
    assert.equal(last.type, 'end');
    assert.equal(last.reason, 'interrupted');
    assert.match(last.resumeCommand ?? '', /--resume/);
  });

  it('is heard from the moment that a run is put together', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    const stop = stopOnSignals(() => {});
    // As when it comes while data are read; the system sends one, the shell another.
    process.emit('SIGHUP', 'SIGHUP');
    process.emit('SIGHUP', 'SIGHUP');
    const settings = { ...SETTINGS, steps: 1000, out };
    const { reason, step, checkpoint } = await train(settings, { stop: stop.signal });
    stop.dispose();
    assert.equal(reason, 'interrupted');
    assert.equal(step, 1);
    assert.ok(existsSync(checkpoint));
    assert.equal(stop.exitCode(), 129);
  });
});
