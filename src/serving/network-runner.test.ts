import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Communicator } from '../communicators/communicator.js';
import { SoloTransport } from '../communicators/solo/solo-transport.js';
import { createWasmEngine } from '../engines/wasm/wasm-engine.js';
import { buildNetwork } from '../model/network.js';
import type { NetworkSpecification } from '../model/specification.js';
import type { Dtype } from '../tensor/tensor.js';
import { NetworkRunner } from './network-runner.js';

const MOST_ROWS = 5;
const PLAIN = {
  standardization: null,
  outputTransform: null,
  maxBatch: MOST_ROWS,
  gather: false,
};

const SPECIFICATION: NetworkSpecification = {
  strategy: 'phantom',
  width: 16,
  depth: 2,
  blocks: 4,
  ghosts: 3,
  activation: 'gelu',
  ends: { kind: 'replicated', inputs: 6, outputs: 2 },
};

describe('plans of a network that answers', () => {
  it('are dropped, the oldest first, and cost no memory of the engine', () => {
    const engine = createWasmEngine();
    const communicator = new Communicator(new SoloTransport());
    const network = buildNetwork(SPECIFICATION, engine, communicator);
    network.initialize(3);
    const parts = { engine, communicator };
    const x = Float32Array.from({ length: 6 * MOST_ROWS }, (_, i) => Math.sin(i));
    const answer = (runner: NetworkRunner, rows: number, ghosts: number) => {
      const y = new Float32Array(2 * rows);
      runner.run({ rows, ghosts, x, y, writesAnswers: true });
      return y;
    };
    const all = new NetworkRunner(network, parts, PLAIN);
    // Room for two plans of all ghosts, of 48 products each, or one of fewer, of 56.
    const few = new NetworkRunner(network, parts, { ...PLAIN, mostProducts: 100 });
    answer(all, MOST_ROWS, 3);
    answer(few, MOST_ROWS, 3);
    const allocate = engine.allocate.bind(engine);
    let allocated = 0;
    engine.allocate = ((shape: readonly number[], dtype: Dtype = 'float32') => {
      allocated++;
      return allocate(shape, dtype);
    }) as typeof engine.allocate;
    for (let round = 0; round < 2; round++) {
      for (let rows = 1; rows <= MOST_ROWS; rows++) {
        for (const ghosts of [1, 2, 3]) {
          assert.deepEqual(answer(few, rows, ghosts), answer(all, rows, ghosts));
          assert.equal(few.plans, 1);
        }
      }
    }
    for (let rows = 1; rows <= MOST_ROWS; rows++) answer(few, rows, 3);
    assert.equal(few.plans, 2);
    assert.equal(all.plans, 3 * MOST_ROWS);
    assert.equal(allocated, 0);
  });
});
