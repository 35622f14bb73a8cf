import { SoloTransport } from '#src/communicators/solo/solo-transport.js';
import { loadKernelModule } from '#src/engines/wasm/kernel-module.js';
import { runContractCases } from './communicator-contract-run.js';
import { threads } from './communicator-contract-threads.js';
import { communicatorContract } from './communicator-contract.js';

const kernels = loadKernelModule(false);

communicatorContract(
  'solo',
  async (_size, contract) => runContractCases(new SoloTransport(), contract),
  { sizes: [1] },
);
communicatorContract('threads', threads({ kernels }), { sizes: [1, 2, 3], failureSizes: [2] });
// Small staging sends most payloads in chunks; the numbers of the exchanges wrap on the way.
communicatorContract(
  'threads in small chunks, in JavaScript',
  threads({ stagingBytes: 4096, firstSequence: 2 ** 31 - 100 }),
  { sizes: [3] },
);
communicatorContract(
  'threads whose exchanges pass number zero',
  threads({ kernels, stagingBytes: 16_384, firstSequence: -100 }),
  { sizes: [2] },
);
communicatorContract('recording threads', threads({ kernels, recording: true }), { sizes: [2] });
communicatorContract('staged threads', threads({ kernels, staged: true }), {
  sizes: [2],
  skips: [
    {
      reason: 'collectives of regions start in their waits, so ranks have to wait in one order',
      tests: [
        'runs collectives side by side, whatever the order of the waits',
        'runs collectives of the whole and of its parts side by side',
        'stays right over many collectives with random delays',
      ],
    },
  ],
});
