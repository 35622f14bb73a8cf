/** What tells which native libraries a machine has. */
export {
  type BlasProbe,
  KOFFI_PACKAGE,
  koffiInstalled,
  probeBlas,
} from '../../engines/blas/blas-engine.js';
export { MPI_REMEDY, probeMpi, probeThreadLevel } from '../../communicators/mpi/mpi-probe.js';
