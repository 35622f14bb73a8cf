// Devices of MPI processes that exchange by NCCL, on the stand-in for CUDA's libraries: the golden losses, replicas, and
// what goes wrong. More is in nccl-training.slow.test.ts.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { communicatorContract } from '../contract/communicator-contract.js';
import { reasonToSkipFakeCuda } from '../fakes/cuda/build.js';
import { processes } from '../native/mpi-contract.js';
import { findMpiruns } from '../support/mpi.js';
import { lossesMpi, lossesOfHosts, trainMpi, withFakeNccl } from './nccl-runs.js';
import { assertGolden } from './training-runs.js';

const noFake = reasonToSkipFakeCuda();
const NCCL = ', NCCL 2.21.5 between devices';

for (const { mpirun, skip } of findMpiruns().filter(
  ({ mpirun: { family } }) => family === 'Open MPI',
)) {
  describe('NCCL', { skip: noFake ?? skip }, () => {
    if (noFake === null) withFakeNccl();

    const onDevices = processes(mpirun, { kernels: true, recording: false, devices: true });
    // Unequal sizes.
    communicatorContract('NCCL', onDevices, {
      sizes: [],
      failureSizes: [2],
      failures: (i) => i === 4,
    });

    it('two ranks have the bits of exchanges by way of the host, near the golden losses', async (context) => {
      const { losses, way } = await lossesMpi(mpirun, context, { strategy: 'phantom' });
      assert.equal(way, NCCL);
      assertGolden('phantom', losses);
      assert.deepEqual(losses, await lossesOfHosts(context, { strategy: 'phantom' }));
    });

    it('two replicas of two ranks have the bits of exchanges by way of the host', async (context) => {
      const { losses, way } = await lossesMpi(mpirun, context, { replicas: 2 });
      assert.equal(way, NCCL);
      assert.deepEqual(losses, await lossesOfHosts(context, { replicas: 2 }));
    });

    it('a rank that fails while others wait for it by MPI ends the run, with the cause', async (context) => {
      const variables = { FAKE_CUDA_FAIL: 'cuMemcpyDtoHAsync_v2:5=1', FAKE_CUDA_RANK: '1' };
      const { code, stderr } = await trainMpi(mpirun, context, {}, variables);
      assert.notEqual(code, 0);
      assert.match(stderr, /cuMemcpyDtoHAsync ended with 1/);
    });

    it('a rank whose exchange fails ends the run, with the cause', async (context) => {
      const variables = { FAKE_NCCL_ERROR: '9:6', FAKE_CUDA_RANK: '1' };
      const { code, stderr } = await trainMpi(mpirun, context, {}, variables);
      assert.notEqual(code, 0);
      assert.match(stderr, /\[nccl\] .* ended with 6: remote process exited/);
    });
  });
}
