// Training on an engine that does nothing until somebody waits, and whose memory the host cannot reach,
// has the bits of training on the same engine without either.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { launchRanks } from '#src/communicators/threads/launch-ranks.js';
import { CollectiveError, UnsupportedError } from '#src/base/errors.js';
import { Communicator } from '#src/communicators/communicator.js';
import { SoloTransport } from '#src/communicators/solo/solo-transport.js';
import { StagedTransport } from '#src/communicators/staged/staged-transport.js';
import { inHostMemory } from '#src/engines/host-engine.js';
import { createWasmEngine } from '#src/engines/wasm/wasm-engine.js';
import { deferringEngine } from '../support/deferring-engine.js';
import type { DeferredResult } from './deferred-rank.js';
import { CASES, type FewStepsRequest, plain, STEPS } from './few-steps.js';

const RANK = new URL('deferred-rank.js', import.meta.url);
async function results(ranks: number, requests: readonly FewStepsRequest[]) {
  const { done } = launchRanks<DeferredResult[]>({ size: ranks, module: RANK, data: requests });
  return done;
}

describe('training on an engine that defers its work', () => {
  for (const ranks of [1, 2]) {
    it(`has the same bits on ${ranks} of its own, whatever is trained`, async () => {
      const everyones = await results(ranks, Object.values(CASES));
      for (const [i, name] of Object.keys(CASES).entries()) {
        for (const byCase of everyones) {
          const { plain: expected, deferred } = byCase[i];
          assert.ok(
            expected.steps.every(([loss]) => Number.isFinite(loss)),
            name,
          );
          assert.deepEqual(deferred, expected, name);
          assert.deepEqual([expected.failure, expected.steps.length], [null, STEPS], name);
        }
      }
    });
  }

  it('ends at a loss that is not finite, with the same weights', async () => {
    const [[result]] = await results(1, [{ ...plain({}), broken: true }]);
    assert.deepEqual(result.deferred, result.plain);
    assert.match(result.deferred.failure ?? '', /is NaN.*the input batch/);
    assert.equal(result.deferred.steps.length, STEPS - 1);
  });

  it('has the same bits with replicas', async () => {
    for (const byCase of await results(4, [{ ...plain({}), replicas: 2 }])) {
      assert.deepEqual(byCase[0].deferred, byCase[0].plain);
    }
  });

  it('is waited for twice in a step of one rank: for the loss, after the backward pass, and for squares', async () => {
    const [byCase] = await results(1, [plain({}), { ...plain({}), clipNorm: 1 }]);
    for (const { events } of byCase) {
      assert.equal(events.filter((event) => event === 'wait').length, 2);
      const products = events.flatMap((event, i) => (event === 'gemm' ? [i] : []));
      assert.ok(events.indexOf('wait') > (products.at(-1) ?? Infinity), events.join(' '));
    }
    assert.ok(byCase[0].events.lastIndexOf('wait') > byCase[0].events.lastIndexOf('adamStep'));
  });

  it('is refused, with the remedy, by what needs memory of the host', () => {
    const engine = deferringEngine(createWasmEngine());
    const tensor = engine.allocate([4]);
    const bare = new Communicator(new SoloTransport());
    const staged = new Communicator(new StagedTransport(new SoloTransport(), engine));
    assert.throws(
      () => bare.allGather(tensor, engine.allocate([4])),
      (error) => error instanceof UnsupportedError && /StagedTransport/.test(error.message),
    );
    assert.throws(
      () => inHostMemory(engine, 'compress'),
      (error) => error instanceof UnsupportedError && /choose blas or wasm/.test(error.message),
    );
    engine.toDevice(Float32Array.of(1, 2, 3, 4), tensor);
    const gathered = engine.allocate([4]);
    staged.allGather(tensor, gathered);
    staged.broadcast(gathered, 0);
    const onHost = new Float32Array(4);
    staged.allGather(gathered, onHost);
    assert.deepEqual([...onHost], [1, 2, 3, 4]);
    staged.close();
    assert.throws(() => staged.allReduceSum(gathered), CollectiveError);
  });
});
