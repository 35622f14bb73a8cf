/** What tells which native libraries a machine has, and what its Node does for the kernels. */
export {
  type BlasProbe,
  KOFFI_PACKAGE,
  koffiInstalled,
  probeBlas,
} from '../../engines/blas/blas-engine.js';
export { MPI_REMEDY, probeMpi, probeThreadLevel } from '../../communicators/mpi/mpi-probe.js';
export { ncclVersion, openNccl } from '../../engines/cuda/nccl-probe.js';
export { newerNode, widensKernels } from '../../engines/wasm/kernel-module.js';
