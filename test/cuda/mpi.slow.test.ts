// Collectives between the devices of MPI processes, on the stand-in for CUDA's libraries, which each process has for
// itself: what one of them copies to its host travels by MPI.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { reasonToSkipFakeCuda } from '../fakes/cuda/build.js';
import { both } from '../native/mpi-losses.js';
import { findMpiruns } from '../support/mpi.js';
import { assertGolden, STEPS, withFakeCuda } from './training-runs.js';

const noFake = reasonToSkipFakeCuda();
if (noFake === null) withFakeCuda();
process.env['PHANTOM_NCCL'] = 'none';

for (const { mpirun, skip } of findMpiruns()) {
  describe(`CUDA devices under ${mpirun.family}`, { skip: noFake ?? skip }, () => {
    for (const strategy of ['phantom', 'tensor'] as const) {
      it(`${strategy}: two processes have the bits of two threads, near the golden losses`, async (context) => {
        const few = { engine: 'cuda', steps: STEPS, validateEvery: STEPS, meter: 'none' } as const;
        const { mpi, threads } = await both(mpirun, context, { ...few, strategy, ranks: 2 });
        assertGolden(strategy, mpi);
        assert.deepEqual(mpi, threads);
      });
    }
  });
}
