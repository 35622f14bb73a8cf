import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { describe, test } from 'node:test';
import type { RunGroup } from '../contract/communicator-contract.js';
import { findMpiruns, type Mpirun, runMpi } from '../support/mpi.js';

const rankFile = fileURLToPath(new URL('mpi-contract-rank.js', import.meta.url));

/** Groups of processes under a launcher. */
export function processes(
  mpirun: Mpirun,
  variant: Readonly<Record<'kernels' | 'recording', boolean>> & {
    /** Operands are on devices of the stand-in for CUDA's libraries, one for each rank. */
    readonly devices?: boolean;
  },
): RunGroup {
  return async (size, contract) => {
    const given = JSON.stringify({ ...contract, ...variant });
    const { stdout, stderr } = await runMpi(mpirun, size, rankFile, [given]);
    const passed = [...stdout.matchAll(/passed (\d+)/g)].map(([, rank]) => Number(rank));
    assert.deepEqual(
      passed.toSorted((a, b) => a - b),
      Array.from({ length: size }, (_, rank) => rank),
      `ranks that passed; the others say:\n${stderr}`,
    );
  };
}

/** The launchers of this machine; the suite of a missing one is a skipped test. */
export function mpirunsForContract(): Mpirun[] {
  return findMpiruns().flatMap(({ mpirun, skip }) => {
    if (skip === false) return [mpirun];
    describe(`communicator: ${mpirun.family}`, () => test('on several ranks', { skip }, () => {}));
    return [];
  });
}
