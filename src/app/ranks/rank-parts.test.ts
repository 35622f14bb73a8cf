import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ACTIVITY, StepTrace } from '../../base/step-trace.js';
import type { Transport } from '../../communicators/communicator.js';
import { SoloTransport } from '../../communicators/solo/solo-transport.js';
import { createEngine } from './engines.js';
import { countedParts } from './rank-parts.js';

/** The first of so many ranks, of which the others do nothing. */
function pretend(size: number): Transport {
  const solo = new SoloTransport();
  const pending = { wait: () => {} };
  return Object.assign(Object.create(solo) as SoloTransport, {
    size,
    startAllReduceSum: () => pending,
    split: () => pretend(2),
  });
}

test('what is under way beside a pass is hidden where it is of the network, not where ranks agree', async () => {
  for (const replicas of [1, 2]) {
    const parts = countedParts(await createEngine('wasm'), pretend(2 * replicas), replicas);
    const hidden = (communicator: typeof parts.control) => {
      const trace = new StepTrace();
      parts.phases.traceTo(trace);
      const pending = communicator.startAllReduceSum(new Float64Array(3));
      parts.phases.beginPass(ACTIVITY.backward);
      parts.phases.beginPass(ACTIVITY.other);
      pending.wait();
      parts.phases.traceTo(null);
      return trace.segments(64).filter(({ hides }) => hides).length;
    };
    assert.equal(hidden(parts.control), 0);
    assert.ok(hidden(parts.communicator) > 0);
    if (parts.replicas) assert.ok(hidden(parts.replicas.communicator) > 0);
    parts.engine.close();
  }
});
