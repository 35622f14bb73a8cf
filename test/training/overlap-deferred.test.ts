import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { countedParts } from '#src/app/ranks/rank-parts.js';
import { SoloTransport } from '#src/communicators/solo/solo-transport.js';
import { createWasmEngine } from '#src/engines/wasm/wasm-engine.js';
import { StepTimes } from '#src/training/step-times.js';
import { deferringEngine } from '../support/deferring-engine.js';

describe('the overlap meter on an asynchronous engine', () => {
  it('knows nothing of what is hidden where collectives run in their waits', () => {
    const parts = countedParts(deferringEngine(createWasmEngine()), new SoloTransport());
    const steps = new StepTimes(10, parts.meters, 0);
    steps.begin();
    parts.communicator.startAllReduceSum(Float32Array.of(1)).wait();
    steps.end(0);
    const { communication, collectives } = steps.takeInterval();
    assert.deepEqual([communication.postedS, collectives.allReduce.postedS], [null, null]);
    assert.ok(collectives.allReduce.exposedS > 0);
    const { hiddenShare: hidden, exposedShare } = steps.overallOverlap();
    assert.ok(hidden === null && exposedShare !== null && exposedShare > 0);
  });
});
