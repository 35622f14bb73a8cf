import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createWasmEngine } from '../engines/wasm/wasm-engine.js';
import type { DenseLayer } from '../models/dense-network.js';
import { Probe } from './probe.js';

it('takes rows through any number of gated blocks in the same memory', () => {
  const [N, rows] = [4, 6];
  const engine = createWasmEngine();
  const data = { x: new Float32Array(N * rows).fill(0.5), y: new Float32Array(N * rows), rows };
  const residual = { norm: 'rms', expansion: 2, gated: true } as const;
  const probe = new Probe(engine, data, { residual, blocks: 2 });
  const layerOf = (place: 'up' | 'down', outputs: number, inputs: number) => {
    const sizes = { role: 'hidden', place, name: place, rows: outputs, columns: inputs } as const;
    const layer: DenseLayer = { ...sizes, readWeight: () => {}, readBias: () => bias };
    const bias = new Float32Array(outputs);
    const weight = engine.allocate([outputs, inputs]);
    weight.data.fill(0.1);
    const form = { weight, bias, activation: place === 'up' ? 'silu' : 'identity' } as const;
    return () => probe.layer(layer, form, { subtract: () => {}, bias });
  };
  // Both halves of a gated layer, one below the other.
  const [up, down] = [layerOf('up', 2 * 2 * N, N), layerOf('down', N, 2 * N)];
  const afterBlocks = (count: number) => {
    for (let block = 0; block < count; block++) {
      up();
      down();
    }
    return engine.allocatedBytes;
  };
  const settled = afterBlocks(2);
  assert.equal(afterBlocks(6), settled);
});
