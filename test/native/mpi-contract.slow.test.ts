// Groups and failures that mpi-contract.test.ts leaves out; they take seconds to start.
import { communicatorContract } from '../contract/communicator-contract.js';
import { mpirunsForContract, processes } from './mpi-contract.js';

for (const mpirun of mpirunsForContract()) {
  communicatorContract(mpirun.family, processes(mpirun, { kernels: true, recording: false }), {
    sizes: [1, 2, 3, 4, 7, 8],
    failureSizes: [mpirun.family === 'Open MPI' ? 3 : 2],
    thorough: true,
  });
}
