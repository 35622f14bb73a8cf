import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { BodyReader } from './body.js';
import { MemoryBudget } from './memory-budget.js';
import { badRequest } from './protocol-error.js';
import type { WorkSlices } from './work-slices.js';

const BLOCK_BYTES = 8;

/** Reads a body whose sink gets a block whenever it is told to, or at once. */
function reading({ isSlow = false, fails = false, mostBytes = 100 } = {}) {
  const incoming = Object.assign(new PassThrough(), { headers: {}, complete: false });
  const memory = new MemoryBudget(1 << 20);
  const lease = memory.lease();
  const pushed: string[] = [];
  const waiting: (() => void)[] = [];
  const run = (work: () => unknown) => {
    if (!isSlow) return work();
    return new Promise((resolve) => {
      waiting.push(() => resolve(work()));
    });
  };
  const push = (block: Buffer) => {
    if (fails) throw badRequest('no');
    lease.take(block.length);
    pushed.push(block.toString());
  };
  const reader = new BodyReader(mostBytes, { run } as unknown as WorkSlices, BLOCK_BYTES);
  const message = incoming as unknown as IncomingMessage;
  const read = reader.read(message, { push }, lease).finally(() => lease.release());
  return { incoming, memory, pushed, waiting, read };
}

describe('bodies', () => {
  it('come in blocks, whatever the pieces that they arrive in', async () => {
    const { incoming, memory, pushed, read } = reading();
    for (const piece of ['a', 'bcdefghijklmnopqrstuv', 'w', 'xyz']) incoming.write(piece);
    incoming.end();
    await read;
    assert.deepEqual(pushed, ['abcdefgh', 'ijklmnop', 'qrstuvwx', 'yz']);
    assert.equal(memory.usedBytes, 0);
  });

  it('wait for what takes them', async () => {
    const { incoming, pushed, waiting, read } = reading({ isSlow: true });
    incoming.end('abcdefghijklmnopqrstuvwxyz');
    for (let blocks = 0; blocks < 4; blocks++) {
      while (waiting.length === 0) await turn();
      assert.equal(pushed.length, blocks);
      waiting.pop()?.();
      assert.equal(waiting.length, 0);
    }
    await read;
    assert.equal(pushed.join(''), 'abcdefghijklmnopqrstuvwxyz');
  });

  it('that are cut off give back all memory, also what is being taken', async () => {
    const { incoming, memory, waiting, read } = reading({ isSlow: true });
    const refused = assert.rejects(read, /the body was cut off: the connection was closed/);
    incoming.write('abcdefghijklmnop');
    while (waiting.length === 0) await turn();
    assert.ok(memory.usedBytes > 0);
    incoming.destroy();
    await turn();
    waiting.pop()?.();
    await refused;
    await turn();
    assert.equal(memory.usedBytes, 0);
  });

  it('are refused with the cause: of what takes them, and of their size', async () => {
    const refused = reading({ fails: true });
    refused.incoming.end('abcdefghijklmnop');
    await assert.rejects(refused.read, /^ProtocolError: no$/);
    const large = reading({ mostBytes: 10 });
    large.incoming.write('abcdefgh');
    large.incoming.write('ijk');
    await assert.rejects(large.read, /a body has at most 10 bytes/);
    assert.equal(large.memory.usedBytes, 0);
  });
});
