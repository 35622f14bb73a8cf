import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { describe, test } from 'node:test';
import { communicatorContract, type ContractRun } from '../contract/communicator-contract.js';
import { findMpiruns, type Mpirun, runMpi } from '../support/mpi.js';

const rankFile = fileURLToPath(new URL('mpi-contract-rank.js', import.meta.url));

function ranks(mpirun: Mpirun, variant: { kernels: boolean; recording: boolean }) {
  return async (size: number, { cases, timeoutS }: ContractRun): Promise<void> => {
    const given = JSON.stringify({ cases, timeoutS, ...variant });
    const { stdout, stderr } = await runMpi(mpirun, size, rankFile, [given]);
    const passed = [...stdout.matchAll(/passed (\d+)/g)].map(([, rank]) => Number(rank));
    assert.deepEqual(
      passed.toSorted((a, b) => a - b),
      Array.from({ length: size }, (_, rank) => rank),
      `ranks that passed; the others say:\n${stderr}`,
    );
  };
}

for (const { mpirun, skip } of findMpiruns()) {
  if (skip !== false) {
    describe(`communicator: ${mpirun.family}`, () => test('on several ranks', { skip }, () => {}));
    continue;
  }
  const open = mpirun.family === 'Open MPI';
  communicatorContract(mpirun.family, ranks(mpirun, { kernels: true, recording: false }), {
    sizes: [1, 2, 3, 4, 7, 8],
    // Each case ends its job, which takes two seconds.
    failureSizes: [open ? 3 : 2],
  });
  communicatorContract(
    `${mpirun.family}, recorded, sums in JavaScript`,
    ranks(mpirun, { kernels: false, recording: true }),
    { sizes: [open ? 2 : 3] },
  );
}
