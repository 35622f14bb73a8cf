import { SoloTransport } from '#src/communicators/solo/solo-transport.js';
import { launchRanks } from '#src/communicators/threads/launch-ranks.js';
import { loadKernelModule } from '#src/engines/wasm/kernel-module.js';
import { communicatorContract, type ContractRun } from './communicator-contract.js';
import { runContractCases } from './communicator-contract-run.js';

const module = new URL('./communicator-contract-worker.js', import.meta.url);
const kernels = loadKernelModule(false);

interface ThreadsVariant {
  readonly recording?: boolean;
  readonly kernels?: object;
  readonly stagingBytes?: number;
  readonly firstSequence?: number;
}

function threads({ recording = false, ...group }: ThreadsVariant) {
  return async (size: number, { cases, timeoutS }: ContractRun): Promise<void> => {
    await launchRanks({ size, module, timeoutS, ...group, data: { cases, recording } }).done;
  };
}

communicatorContract(
  'solo',
  async (_size, { cases }) => runContractCases(new SoloTransport(), cases),
  { sizes: [1] },
);
communicatorContract('threads', threads({ kernels }), {
  sizes: [1, 2, 3, 4, 7, 8, 16],
  failureSizes: [2, 3],
});
// Small staging sends most payloads in chunks; the numbers of the exchanges wrap on the way.
communicatorContract(
  'threads in small chunks, in JavaScript',
  threads({ stagingBytes: 4096, firstSequence: 2 ** 31 - 100 }),
  { sizes: [2, 3, 8], failureSizes: [2] },
);
communicatorContract(
  'threads whose exchanges pass number zero',
  threads({ kernels, stagingBytes: 16_384, firstSequence: -100 }),
  { sizes: [2, 5] },
);
communicatorContract('recording threads', threads({ kernels, recording: true }), {
  sizes: [1, 2, 4],
  failureSizes: [2],
});
