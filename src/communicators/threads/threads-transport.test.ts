import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { CollectiveError } from '../../base/errors.js';
import type { PendingCollective } from '../communicator.js';
import { GroupControl } from './control.js';
import { createThreadsGroup, type ThreadsGroup } from './group.js';
import { joinThreadsGroup } from './threads-transport.js';

// One thread plays all ranks here: a wait does not block once every rank has started, so that
// every interleaving of starts and waits that threads can show is played step by step.

function join(group: ThreadsGroup) {
  return Array.from({ length: group.size }, (_, rank) => joinThreadsGroup(group, rank));
}

interface Started {
  readonly pending: PendingCollective;
  readonly check: () => void;
}

test('what a rank reads is never overwritten, however far the ranks drift apart', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 4 }),
      fc.array(fc.nat({ max: 2 ** 20 }), { minLength: 50, maxLength: 400 }),
      fc.constantFrom(0, 2 ** 31 - 9, -9),
      (size, choices, firstSequence) => {
        const ranks = join(createThreadsGroup({ size, firstSequence })).map((transport) => ({
          transport,
          started: 0,
          inFlight: [] as Started[],
        }));
        const startedByAll = (): number => Math.min(...ranks.map(({ started }) => started));
        for (const choice of choices) {
          const one = ranks[choice % size] as (typeof ranks)[number];
          const oldest = one.started - one.inFlight.length;
          if ((choice >> 4) % 2 === 0 && one.inFlight.length < 4) {
            const n = one.started++;
            const { rank } = one.transport;
            const send = new Float32Array([n, rank]);
            const receive = new Float32Array(2 * size);
            const pending = one.transport.startAllGather(send, receive);
            const wanted = Array.from({ length: 2 * size }, (_, i) => (i % 2 ? i >> 1 : n));
            one.inFlight.push({
              pending,
              check: () => assert.deepEqual([...receive], wanted, `exchange ${n}, rank ${rank}`),
            });
          } else if (oldest < startedByAll()) {
            // Any of those that all ranks have started, not just the oldest.
            const ready = Math.min(startedByAll() - oldest, one.inFlight.length);
            const [done] = one.inFlight.splice((choice >> 8) % ready, 1);
            done?.pending.wait();
            done?.check();
          }
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('staging is no larger than its limit, and has room for an element of each rank', () => {
  const group = createThreadsGroup({ size: 256, stagingBytes: 64 * 2 ** 20 });
  assert.equal(group.stagingBytes, 256 * 1024);
  assert.equal(createThreadsGroup({ size: 16, stagingBytes: 1 }).stagingBytes, 16 * 64);
  assert.equal(createThreadsGroup({ size: 2, stagingBytes: 1000 }).stagingBytes, 960);
});

test('a group needs a rank that it has', () => {
  const group = createThreadsGroup({ size: 2 });
  for (const rank of [-1, 2, 0.5])
    assert.throws(() => joinThreadsGroup(group, rank), /\[threads\]/);
});

test('the first cause ends a group, cut to what has room', () => {
  const group = createThreadsGroup({ size: 2 });
  const [zero] = join(group);
  const control = new GroupControl(2, group.control);
  assert.equal(control.end(), null);
  assert.equal(control.abort('ü'.repeat(3000), -1), true);
  assert.equal(control.abort('later', 1), false);
  assert.deepEqual(control.end(), { origin: -1, cause: 'ü'.repeat(2048) });
  assert.throws(() => zero?.barrier(), CollectiveError);
});

test('a guarded rank is not to be terminated', () => {
  const control = new GroupControl(1, createThreadsGroup({ size: 1 }).control);
  assert.equal(control.claim(0), false);
  control.unguard(0);
  control.guard(0);
  assert.equal(control.claim(0), false);
  control.unguard(0);
  assert.equal(control.claim(0), true);
  assert.equal(control.claim(0), true);
});
