// A steady step of ranks on devices that copy from each other, on the stand-in for CUDA's libraries.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { launchRanks } from '#src/communicators/threads/launch-ranks.js';

import { reasonToSkipFakeCuda } from '../fakes/cuda/build.js';
import { CASES } from '../training/few-steps.js';
import type { SteadyRequest, SteadyResult } from './steady-rank.js';
import { withFakeCuda } from './training-runs.js';

const skip = reasonToSkipFakeCuda();
const RANK = new URL('steady-rank.js', import.meta.url);
/** Of the driver: what takes memory or makes something, of which a steady step has none. */
const MAKING = [
  ...['cuMemAlloc_v2', 'cuMemHostAlloc', 'cuEventCreate', 'cuStreamCreate'],
  ...['cuStreamBeginCapture_v2', 'cuGraphInstantiateWithFlags'],
];
const COPIES = ['cuMemcpyDtoHAsync_v2', 'cuMemcpyHtoDAsync_v2'];
const WAITS = ['cuStreamSynchronize', 'cuEventSynchronize'];
const WORK = ['cuGraphLaunch', 'cuLaunchKernel', 'cublasLtMatmul', 'cuMemcpyPeerAsync'];

async function lastSteps(name: string, ranks: number, graphs: boolean): Promise<SteadyResult[]> {
  // Sums take turns on two places, so that a step is as the one before the last.
  const request = { ...CASES[name], steps: 6 };
  const names = [...MAKING, ...COPIES, ...WAITS, ...WORK];
  const data: SteadyRequest = { request, graphs, names };
  return launchRanks<SteadyResult>({ size: ranks, module: RANK, data }).done;
}

describe('a steady step with peer copies', { skip: skip ?? false }, () => {
  if (skip === null) withFakeCuda();
  const requests = [
    ['phantom', 4],
    ['tensor-paired', 2],
  ] as const;
  for (const [name, ranks] of requests) {
    it(`allocates nothing, is waited for twice by each rank, and is graphs: ${name} on ${ranks} ranks`, async () => {
      const single = await lastSteps(name, ranks, false);
      const inGraphs = await lastSteps(name, ranks, true);
      for (const [rank, { numbers, counts, ...own }] of inGraphs.entries()) {
        assert.deepEqual(numbers, single[rank]?.numbers);
        const other = single[rank]?.counts ?? {};
        for (const call of MAKING) assert.deepEqual([counts[call], other[call]], [0, 0], call);
        for (const each of [counts, other]) {
          // For the loss, and for the squares of gradients: no ghost goes to the host.
          assert.equal(each['cuStreamSynchronize'], 2 * ranks);
          assert.equal(each['cuEventSynchronize'], 0);
          assert.equal(each['cuMemcpyDtoHAsync_v2'], 2 * ranks);
          // Inputs, targets, and the numbers of the optimizer.
          assert.equal(each['cuMemcpyHtoDAsync_v2'], 3 * ranks);
          assert.ok((each['cuMemcpyPeerAsync'] ?? 0) > 0);
        }
        assert.equal(other['cuGraphLaunch'], 0);
        assert.ok((counts['cuGraphLaunch'] ?? 0) > 0);
        assert.equal(own.single + own.replayed, single[rank]?.single);
        assert.equal(own.captured, 0);
        // Stretches of one call between two exchanges.
        assert.ok(own.replayed > 4 * own.single, `${own.replayed}, ${own.single}`);
        // All ranks that share its device, of which the check before a run takes no more and hardly less.
        const { takenBytes, allocatedBytes, besideBytes, collectiveBytes } = own;
        const counted = (ranks / 2) * (allocatedBytes + besideBytes + collectiveBytes);
        const about = `${takenBytes} of ${counted} bytes`;
        assert.ok(takenBytes <= counted && takenBytes > counted - ranks * 2 ** 20, about);
      }
    });
  }
});
