import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CollectiveError } from '#src/base/errors.js';
import type { PendingCollective, Transport } from '#src/communicators/communicator.js';
import { StagedTransport } from '#src/communicators/staged/staged-transport.js';
import { createWasmEngine } from '#src/engines/wasm/wasm-engine.js';
import { deferringEngine } from '../support/deferring-engine.js';

/** A group of two that is seen from one rank: sums are of that one, and its waits may throw. */
class Alone {
  readonly name = 'alone';
  readonly rank = 0;
  readonly size = 2;
  readonly maxInFlight = 2;
  starts = 0;
  fails = false;

  startAllReduceSum(): PendingCollective {
    this.starts++;
    return {
      wait: () => {
        if (this.fails) throw new CollectiveError('alone', 'the other has gone');
      },
    };
  }
}

describe('a staged transport', () => {
  it('starts nothing twice where the wait of a collective throws, and has its place again', () => {
    const { inner, staged, tensor } = parts();
    inner.fails = true;
    for (let i = 1; i <= 3; i++) {
      const pending = staged.startAllReduceSum(i === 2 ? new Float32Array(3) : tensor);
      assert.throws(() => pending.wait(), CollectiveError);
      pending.wait();
      assert.equal(inner.starts, i);
    }
  });

  it('refuses more collectives than may be in flight, of regions and of host arrays together', () => {
    const { staged, tensor, inner } = parts();
    const first = staged.startAllReduceSum(tensor);
    const second = staged.startAllReduceSum(new Float32Array(3));
    for (const operand of [tensor, new Float32Array(3)]) {
      assert.throws(
        () => staged.startAllReduceSum(operand),
        (error) => error instanceof CollectiveError && /has 2 collectives/.test(error.message),
      );
    }
    assert.equal(inner.starts, 1);
    first.wait();
    staged.startAllReduceSum(tensor).wait();
    second.wait();
    assert.equal(inner.starts, 3);
  });
});

function parts() {
  const engine = deferringEngine(createWasmEngine());
  const inner = new Alone();
  const staged = new StagedTransport(inner as unknown as Transport, engine);
  return { inner, staged, tensor: engine.allocate([3]) };
}
