import { communicatorContract } from '../contract/communicator-contract.js';
import { mpirunsForContract, processes } from './mpi-contract.js';

for (const mpirun of mpirunsForContract()) {
  const open = mpirun.family === 'Open MPI';
  communicatorContract(mpirun.family, processes(mpirun, { kernels: true, recording: false }), {
    sizes: [1, 2, open ? 3 : 4],
    // Each case ends its job, which takes two seconds.
    failureSizes: [open ? 3 : 2],
  });
  communicatorContract(
    `${mpirun.family}, recorded, sums in JavaScript`,
    processes(mpirun, { kernels: false, recording: true }),
    { sizes: [open ? 2 : 3] },
  );
}
