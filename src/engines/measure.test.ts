import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Matrix } from '../tensor/tensor.js';
import { ForwardingEngine } from './forwarding-engine.js';
import { measureEngine } from './measure.js';
import { createWasmEngine } from './wasm/wasm-engine.js';

/** Remembers what is multiplied. */
class Recorder extends ForwardingEngine {
  readonly operands = new Set<string>();

  override gemm(...product: Parameters<ForwardingEngine['gemm']>): void {
    const matrices = product.filter((value): value is Matrix => typeof value === 'object');
    this.operands.add(matrices.map(({ dtype }) => dtype).join(' '));
    super.gemm(...product);
  }
}

for (const dtype of ['float32', 'bfloat16'] as const) {
  it(`measures products of ${dtype}, whose results are float32`, () => {
    const engine = new Recorder(createWasmEngine());
    assert.ok(measureEngine(engine, dtype).flopsPerS > 0);
    assert.deepEqual([...engine.operands], [`${dtype} ${dtype} float32`]);
  });
}
