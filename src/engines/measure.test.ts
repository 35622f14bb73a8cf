import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Matrix } from '../tensor/tensor.js';
import { ForwardingEngine } from './forwarding-engine.js';
import { measureEngine } from './measure.js';
import { createWasmEngine } from './wasm/wasm-engine.js';

/** Remembers what is multiplied. */
class Recorder extends ForwardingEngine {
  readonly operands = new Set<string>();

  largest = 0;
  waits = 0;
  products = 0;

  override synchronize(): void {
    this.waits++;
    super.synchronize();
  }
  override gemm(...product: Parameters<ForwardingEngine['gemm']>): void {
    const matrices = product.filter((value): value is Matrix => typeof value === 'object');
    this.operands.add(matrices.map(({ dtype }) => dtype).join(' '));
    this.largest = Math.max(this.largest, ...matrices.map(({ rows }) => rows));
    this.products++;
    super.gemm(...product);
  }
}

/** Asynchronous by its word, with little memory. */
class Fast extends Recorder {
  override get asynchronous(): boolean {
    return true;
  }
  override get capacityBytes(): number {
    return this.allocatedBytes + 32 * 12 * 600 ** 2;
  }
}

it('measures queues of products on an asynchronous engine, as large as its memory lets it', () => {
  const engine = new Fast(createWasmEngine());
  assert.ok(measureEngine(engine).flopsPerS > 0);
  assert.ok(engine.allocatedBytes <= 12 * 600 ** 2, `${engine.allocatedBytes}`);
  assert.ok([128, 256, 512].includes(engine.largest), `${engine.largest}`);
  // One that is waited for alone for each size, and queues of 8.
  assert.ok(engine.products > 4 * engine.waits, `${engine.products} in ${engine.waits}`);
});

for (const dtype of ['float32', 'bfloat16'] as const) {
  it(`measures products of ${dtype}, whose results are float32`, () => {
    const engine = new Recorder(createWasmEngine());
    assert.ok(measureEngine(engine, dtype).flopsPerS > 0);
    assert.deepEqual([...engine.operands], [`${dtype} ${dtype} float32`]);
  });
}
