import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { launchRanks } from '#src/communicators/threads/launch-ranks.js';
import { KINDS } from '#src/layers/kinds.js';
import type { KindName } from '#src/layers/outlines.js';
import { GHOST_PRECISIONS } from '#src/tensor/precision.js';
import type { LayerCount, LayerRequest } from './layer-rank.js';

const RANK = new URL('layer-rank.js', import.meta.url);

const requests: LayerRequest[] = (Object.keys(KINDS) as KindName[]).flatMap((kind) => {
  const precisions = kind === 'phantom' ? GHOST_PRECISIONS : (['float32'] as const);
  const activations = kind === 'phantom' ? ([null, 'tanh'] as const) : [null];
  return precisions.flatMap((ghostPrecision) =>
    activations.flatMap((ghostActivation) =>
      [false, true].flatMap((storedWhole) =>
        [false, true].map((inputNeedsGradient): LayerRequest => {
          const isNormed = kind === 'phantom' || kind === 'gather';
          const isLinear = ghostActivation === null;
          const normalized = isNormed && isLinear && storedWhole && ghostPrecision === 'float32';
          const exchange = { ghostPrecision, ghostActivation };
          return { kind, ...exchange, storedWhole, inputNeedsGradient, normalized };
        }),
      ),
    ),
  );
});

describe('what one layer counts, with other widths in than out', () => {
  for (const size of [1, 2, 4]) {
    it(`is what its program and memory say, of every kind on ${size}`, async () => {
      const { done } = launchRanks<LayerCount[]>({ size, module: RANK, data: requests });
      for (const counts of await done) {
        assert.equal(counts.length, requests.length);
        for (const [i, { counted, derived }] of counts.entries()) {
          assert.deepEqual(counted, derived, JSON.stringify({ ...requests[i], size }));
        }
      }
    });
  }
});
