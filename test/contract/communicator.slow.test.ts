// Groups that communicator.test.ts leaves out, and large payloads.
import { loadKernelModule } from '#src/engines/wasm/kernel-module.js';
import { threads } from './communicator-contract-threads.js';
import { communicatorContract } from './communicator-contract.js';

const kernels = loadKernelModule(false);

communicatorContract('threads', threads({ kernels }), {
  sizes: [2, 4, 7, 8, 16],
  failureSizes: [3],
  thorough: true,
});
communicatorContract(
  'threads in small chunks, in JavaScript',
  threads({ stagingBytes: 4096, firstSequence: 2 ** 31 - 100 }),
  { sizes: [2, 8], thorough: true },
);
communicatorContract(
  'threads whose exchanges pass number zero',
  threads({ kernels, stagingBytes: 16_384, firstSequence: -100 }),
  { sizes: [5], thorough: true },
);
communicatorContract('recording threads', threads({ kernels, recording: true }), {
  sizes: [1],
  failureSizes: [2],
});
