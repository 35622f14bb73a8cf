import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Results } from '../../experiments/two-hosts/results.js';
import { temporaryFolder } from '../support/files.js';

const SCRIPT = fileURLToPath(new URL('../../experiments/two-hosts/run.js', import.meta.url));
const SMALL = '--rates 1000 --width 512 --depth 1 --steps 3 --engine wasm'.split(' ');

/** Starts the experiment in a small form; skips the test where it skips itself. */
function start(context: TestContext) {
  const out = temporaryFolder(context);
  const child = spawn(process.execPath, [SCRIPT, '--out', out, ...SMALL], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const texts = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    texts.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    texts.err += text;
  });
  const closed = once(child, 'close');
  const namespaces = () => {
    const { stdout } = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' });
    return stdout.split('\n').filter((line) => line.startsWith(`phantom-${child.pid}-`));
  };
  return { child, out, texts, closed, namespaces };
}

describe('the experiment between two hosts', () => {
  it('accounts for the bytes on the wire, and leaves nothing behind', async (context) => {
    const { child, out, texts, closed, namespaces } = start(context);
    await closed;
    if (texts.out.startsWith('skipped')) return context.skip(texts.out.trim());
    assert.equal(child.exitCode, 0, texts.err);
    assert.deepEqual(namespaces(), []);
    const { measurements } = JSON.parse(
      readFileSync(path.join(out, 'results.json'), 'utf8'),
    ) as Results;
    assert.deepEqual(
      measurements.map(({ strategy }) => strategy),
      ['phantom', 'tensor', 'tensor-paired'],
    );
    for (const { strategy, step } of measurements) {
      const { payloadSentBytes, collectives, byRank } = step.wire;
      for (const { sentBytes, sentPackets } of byRank) {
        // Headers of ours are 64 bytes a collective, of Ethernet, IP and TCP 66 a packet; MPI adds
        // some to each message.
        const known = payloadSentBytes + 64 * collectives + 66 * sentPackets;
        const rest = sentBytes - known;
        assert.ok(rest >= 0 && rest < 0.03 * sentBytes, `${strategy}: ${rest} of ${sentBytes}`);
      }
    }
    assert.match(readFileSync(path.join(out, 'step-times.svg'), 'utf8'), /^<svg/);
  });

  it('takes its hosts away when it is interrupted', async (context) => {
    const { child, texts, closed, namespaces } = start(context);
    while (child.exitCode === null && namespaces().length < 3) await sleep(20);
    if (texts.out.startsWith('skipped')) return context.skip(texts.out.trim());
    await sleep(1000);
    child.kill('SIGINT');
    await closed;
    assert.deepEqual(namespaces(), []);
  });
});
