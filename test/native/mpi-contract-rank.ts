// A rank that runs contract cases under an MPI launcher; tells on stdout that it has passed.
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { findLauncher } from '#src/communicators/launcher.js';
import { MpiLink } from '#src/communicators/mpi/link.js';
import { MpiTransport } from '#src/communicators/mpi/mpi-transport.js';
import { RecordingTransport } from '#src/communicators/recording/recording-transport.js';
import { loadKernelModule } from '#src/engines/wasm/kernel-module.js';
import { runContractCases } from '../contract/communicator-contract-run.js';

const { cases, thorough, timeoutS, kernels, recording } = JSON.parse(process.argv[2] ?? '') as {
  cases: string[];
  thorough: boolean;
  timeoutS: number;
  kernels: boolean;
  recording: boolean;
};
const launcher = findLauncher();
const transport = new MpiTransport(await MpiLink.start(launcher), {
  timeoutS,
  kernels: kernels ? loadKernelModule(false) : null,
  oversubscribed: (launcher?.size ?? 1) > availableParallelism(),
});
try {
  const tested = recording ? new RecordingTransport(transport) : transport;
  runContractCases(tested, { cases, thorough });
  process.stdout.write(`passed ${transport.rank}\n`);
} catch (error) {
  process.stderr.write(`${String(error)}\n`);
  transport.abort(String(error));
}
if (transport.end === null && !cases.some((name) => name.includes('has left'))) {
  transport.finalize();
} else {
  // The others are about to say the same.
  for (let i = 0; i < 60; i++) {
    transport.look();
    await sleep(20);
  }
  transport.abortJob(3);
}
