// The golden bits on more processes than in mpi-command.slow.test.ts, and replicas over many steps.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findMpiruns } from '../support/mpi.js';
import { both, goldenUnder } from './mpi-losses.js';

for (const { mpirun, skip } of findMpiruns()) {
  describe(`losses under ${mpirun.family}`, { skip }, () => {
    // One family's numbers of ranks are the other's for the other strategy and precision.
    const isOpen = mpirun.family === 'Open MPI';
    goldenUnder(mpirun, [
      ['phantom', [1, 2, 4, 8]],
      ['tensor', isOpen ? [2, 8] : [4]],
      ['tensor-paired', isOpen ? [4] : [8]],
      ['phantom in bfloat16', isOpen ? [] : [8]],
      ['phantom in int8', isOpen ? [8] : [2]],
    ]);

    it('1 × 4 = 2 × 2 = 4 × 1 replicas over 50 steps, each with the bits of threads', async (t) => {
      const sgd = { optimizer: 'sgd', lr: 0.01, steps: 50, validateEvery: 50 } as const;
      const expected = (await both(mpirun, t, { ...sgd, ranks: 4 })).mpi;
      for (const [replicas, ranks] of [
        [2, 2],
        [4, 1],
      ] as const) {
        const changes = { ...sgd, replicas, ranks, batch: 32 / replicas };
        const { mpi, threads } = await both(mpirun, t, changes);
        assert.deepEqual(mpi, threads);
        for (const [step, loss] of mpi.entries()) {
          // Sums over the batch in another order: float32 rounding, grown over the steps.
          assert.ok(Math.abs(loss - expected[step]) < 1e-6 * expected[step], `${step}: ${loss}`);
        }
      }
    });
  });
}
