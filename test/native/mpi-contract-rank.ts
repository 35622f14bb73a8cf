// A rank that runs contract cases under an MPI launcher; tells on stdout that it has passed.
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Transport } from '#src/communicators/communicator.js';
import { findLauncher } from '#src/communicators/launcher.js';
import { MpiLink } from '#src/communicators/mpi/link.js';
import { MpiTransport } from '#src/communicators/mpi/mpi-transport.js';
import { RecordingTransport } from '#src/communicators/recording/recording-transport.js';
import { loadKernelModule } from '#src/engines/wasm/kernel-module.js';
import { joinNccl } from '#src/communicators/nccl/nccl-transport.js';
import { createCudaEngine } from '#src/engines/cuda/cuda-engine.js';
import { DeviceOperands } from '../support/device-operands.js';
import { runContractCases } from '../contract/communicator-contract-run.js';

const { cases, thorough, timeoutS, kernels, recording, devices } = JSON.parse(
  process.argv[2] ?? '',
) as {
  cases: string[];
  thorough: boolean;
  timeoutS: number;
  kernels: boolean;
  recording: boolean;
  devices: boolean;
};
/** For a sum of four ranks: 128 numbers of each at a time. */
const ROOM_BYTES = 4096;
const launcher = findLauncher();
const transport = new MpiTransport(await MpiLink.start(launcher), {
  timeoutS,
  kernels: kernels ? loadKernelModule(false) : null,
  oversubscribed: (launcher?.size ?? 1) > availableParallelism(),
});
const engine = devices
  ? await createCudaEngine({ localRank: transport.rank, processes: true, onWarning: () => {} })
  : null;
try {
  runContractCases(tested(), { cases, thorough });
  engine?.close();
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

function tested(): Transport {
  if (engine === null) return recording ? new RecordingTransport(transport) : transport;
  const { peers } = engine;
  const inner = joinNccl({ inner: transport, copies: engine, peers, roomBytes: ROOM_BYTES });
  assert.match(inner.description, transport.size === 1 ? /process/ : /, NCCL 2\.21\.5 between/);
  return new DeviceOperands(inner, engine);
}
