export { MPI_REMEDY, probeMpi, probeThreadLevel } from '../../native/mpi.js';
