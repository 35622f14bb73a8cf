import assert from 'node:assert/strict';
import path from 'node:path';
import { it, type TestContext } from 'node:test';
import { compressNetwork } from '#src/compression/compress.js';
import { RandomizedSvd } from '#src/compression/randomized-svd.js';
import { createWasmEngine } from '#src/engines/wasm/wasm-engine.js';
import { USUAL_LOSS } from '#src/layers/loss-names.js';
import type { DenseLayer, DenseNetwork } from '#src/models/dense-network.js';
import { randomNumbers } from '../support/dense.js';
import { temporaryFolder } from '../support/files.js';

const [N, EXPANSION, P] = [16, 2, 2];
const SHARE = 0.9;

type Sizes = Pick<DenseLayer, 'role' | 'place' | 'name' | 'rows' | 'columns'>;

function layer(sizes: Sizes, weight: Float32Array): DenseLayer {
  return {
    ...sizes,
    readWeight: (out) => out.data.set(weight),
    readBias: () => new Float32Array(sizes.rows),
  };
}

/** Σ w² of what is between different blocks. */
function offDiagonal(weight: Float32Array, { rows, columns }: Sizes): number {
  const blockOf = (at: number, size: number) => Math.floor((at * P) / size);
  return weight.reduce((sum, value, at) => {
    const same = blockOf(Math.floor(at / columns), rows) === blockOf(at % columns, columns);
    return same ? sum : sum + value ** 2;
  }, 0);
}

it('keeps the share of an energy in both layers of a residual block', (context: TestContext) => {
  const [up, down]: [Sizes, Sizes] = [
    { role: 'hidden', place: 'up', name: 'up', rows: EXPANSION * N, columns: N },
    { role: 'hidden', place: 'down', name: 'down', rows: N, columns: EXPANSION * N },
  ];
  // One ghost says all of the first, whose weights are large; the second needs many.
  const [left, right] = [randomNumbers('left', up.rows, 10), randomNumbers('right', up.columns)];
  const low = Float32Array.from({ length: up.rows * up.columns }, (_, at) => {
    return left[Math.floor(at / up.columns)] * right[at % up.columns];
  });
  const full = randomNumbers('full', down.rows * down.columns);
  const network: DenseNetwork = {
    ...{ name: 'blocks', width: N, depth: 1, activation: 'relu', ends: { kind: 'sharded' } },
    ...{ residual: { norm: 'none', expansion: EXPANSION }, standardization: null, schema: null },
    loss: 'mse',
    lossOptions: USUAL_LOSS,
    layers: [layer(up, low), layer(down, full)],
    close: () => {},
  };
  const folder = temporaryFolder(context);
  const engine = createWasmEngine();
  const compressed = (choice: Parameters<typeof compressNetwork>[0]['choice'], name: string) => {
    const request = {
      ...{ network, blocks: P, choice, out: path.join(folder, name), onProgress: () => {} },
      ...({ probe: null, calibration: null, minimize: 'weights' } as const),
    };
    return compressNetwork(request, engine, new RandomizedSvd(engine));
  };
  const lostOf = ({ layers }: ReturnType<typeof compressed>) =>
    [low, full].map((weight, i) => {
      const size = weight.reduce((sum, value) => sum + value ** 2, 0);
      return (layers[i]?.relativeError ?? 1) ** 2 * size;
    });
  const found = compressed({ by: 'energy', share: SHARE }, 'energy');
  const { ghosts } = found.specification;
  const limits = [offDiagonal(low, up), offDiagonal(full, down)].map((size) => (1 - SHARE) * size);
  for (const [i, lost] of lostOf(found).entries()) {
    assert.ok(lost <= (limits[i] ?? 0) * (1 + 1e-4), `layer ${i}: ${lost}, at most ${limits[i]}`);
  }
  const [, fewer = 0] = lostOf(compressed({ by: 'ghosts', ghosts: ghosts - 1 }, 'fewer'));
  assert.ok(ghosts < N / P && fewer > (limits[1] ?? 0), `${ghosts} ghosts, without one ${fewer}`);
});
