import { communicatorContract } from '../contract/communicator-contract.js';
import { mpirunsForContract, processes } from './mpi-contract.js';

// Every case under one of the two, which mpi-contract.slow.test.ts runs under both.
for (const mpirun of mpirunsForContract()) {
  const open = mpirun.family === 'Open MPI';
  communicatorContract(mpirun.family, processes(mpirun, { kernels: true, recording: false }), {
    sizes: [open ? 3 : 2],
    // Each case ends its job, which takes two seconds.
    failureSizes: [open ? 3 : 2],
    failures: (place) => (place % 2 === 0) === open,
  });
  communicatorContract(
    `${mpirun.family}, recorded, sums in JavaScript`,
    processes(mpirun, { kernels: false, recording: true }),
    { sizes: [open ? 2 : 3] },
  );
}
