// Larger groups than those of mpi-contract.test.ts, which take seconds to start.
import { communicatorContract } from '../contract/communicator-contract.js';
import { mpirunsForContract, processes } from './mpi-contract.js';

for (const mpirun of mpirunsForContract()) {
  communicatorContract(mpirun.family, processes(mpirun, { kernels: true, recording: false }), {
    sizes: [3, 4, 7, 8],
    thorough: true,
  });
}
