// Products of one shape have one algorithm, and so their bits, wherever their operands lie; on the stand-in for CUDA's
// libraries, which sums in another order for another alignment.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { createCudaEngine } from '#src/engines/cuda/cuda-engine.js';
import { randomStream } from '#src/tensor/random.js';
import { bytesOf, type Dtype, elementBytes, type Matrix } from '#src/tensor/tensor.js';

import { reasonToSkipFakeCuda } from '../fakes/cuda/build.js';
import { callsOfFakeCuda, withFakeCuda } from './training-runs.js';

const skip = reasonToSkipFakeCuda();

describe('products of a shape', { skip: skip ?? false }, () => {
  if (skip === null) withFakeCuda();

  for (const dtype of ['float32', 'bfloat16'] as const satisfies readonly Dtype[]) {
    // Rows that start at multiples of 16 bytes, 8, 4 and 2.
    for (const inner of [32, 34, 36, 37, 41]) {
      it(`have one algorithm wherever they lie: ${dtype}, rows of ${inner}`, async () => {
        const engine = await createCudaEngine();
        const calls = await callsOfFakeCuda();
        const [rows, columns] = [3, 5];
        const numbers = new Float32Array((rows + columns) * inner);
        randomStream(7, 'operands').fillNormal(numbers, 0);
        /** A block of rows of a larger matrix, behind so many others. */
        const block = (behind: number, count: number, from: number): Matrix => {
          const plain = engine.allocate([behind + count, inner]);
          const values = new Float32Array((behind + count) * inner);
          values.set(numbers.subarray(from, from + count * inner), behind * inner);
          engine.toDevice(values, plain);
          const whole = engine.allocate([behind + count, inner], dtype);
          if (dtype === 'float32') engine.copy(bytesOf(plain), bytesOf(whole));
          else engine.encodeRows('bfloat16', plain, bytesOf(whole));
          const byteOffset = whole.byteOffset + elementBytes(dtype) * behind * inner;
          return { dtype, byteOffset, rows: count, columns: inner, stride: inner };
        };
        const results: Float32Array[] = [];
        const before = calls('cublasLtMatmulAlgoGetHeuristic');
        for (const [i, behind] of [0, 1, 2, 3, 7].entries()) {
          const a = block(behind, rows, 0);
          const b = block(i, columns, rows * inner);
          const out = engine.allocate([behind + rows, columns]);
          const byteOffset = out.byteOffset + 4 * behind * columns;
          const c: Matrix = { dtype: 'float32', byteOffset, rows, columns, stride: columns };
          engine.gemm(false, true, 1, a, b, 0, c);
          results.push(engine.toHost(out).slice(behind * columns));
        }
        assert.equal(calls('cublasLtMatmulAlgoGetHeuristic') - before, 1);
        for (const result of results) assert.deepEqual(result, results[0]);
        engine.close();
      });
    }
  }
});
