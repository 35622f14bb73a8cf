// Starts MPI alone and prints the thread level that it provides: a process of its own, because MPI
// starts once in a process, and may hang or crash where it is not set up.
import { addressOf } from './library.js';
import { MPI_THREAD_LEVELS, openMpi, prepareForMpi } from './mpi.js';

prepareForMpi();
const mpi = await openMpi('Open MPI');
const provided = new Int32Array(16);
const address = await addressOf(provided.buffer);
const code = mpi.initThread(0, 0, MPI_THREAD_LEVELS.length - 1, address);
if (code === 0) {
  process.stdout.write(MPI_THREAD_LEVELS[provided[0] ?? 0] ?? '');
  mpi.finalize();
}
