import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { launchRanks } from '#src/communicators/threads/launch-ranks.js';
import { type KindName, KINDS } from '#src/layers/kinds.js';
import { GHOST_PRECISIONS } from '#src/tensor/precision.js';
import type { LayerCount, LayerRequest } from './layer-rank.js';

const RANK = new URL('layer-rank.js', import.meta.url);

describe('what one layer counts, with other widths in than out', () => {
  for (const kind of Object.keys(KINDS) as KindName[]) {
    it(`${kind} is what its program and memory say`, async () => {
      const precisions = kind === 'phantom' ? GHOST_PRECISIONS : (['float32'] as const);
      for (const ghostPrecision of precisions) {
        for (const storedWhole of [false, true]) {
          for (const size of [1, 2, 4]) {
            for (const inputNeedsGradient of [true, false]) {
              const data: LayerRequest = { kind, ghostPrecision, storedWhole, inputNeedsGradient };
              const { done } = launchRanks<LayerCount>({ size, module: RANK, data });
              for (const { counted, derived } of await done) {
                assert.deepEqual(counted, derived, JSON.stringify({ ...data, size }));
              }
            }
          }
        }
      }
    });
  }
});
