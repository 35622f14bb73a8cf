import assert from 'node:assert/strict';

import { RecordingTransport } from '#src/communicators/recording/recording-transport.js';
import { runRank } from '#src/communicators/threads/threads-worker.js';
import { StagedTransport } from '#src/communicators/staged/staged-transport.js';
import { joinPeers } from '#src/communicators/peers/peer-transport.js';
import { createCudaEngine } from '#src/engines/cuda/cuda-engine.js';
import { createWasmEngine } from '#src/engines/wasm/wasm-engine.js';
import type { Transport } from '#src/communicators/communicator.js';
import { deferringEngine } from '../support/deferring-engine.js';
import { DeviceOperands } from '../support/device-operands.js';
import { runContractCases } from './communicator-contract-run.js';

interface ContractData {
  readonly cases: readonly string[];
  readonly thorough: boolean;
  readonly recording: boolean;
  readonly staged: boolean;
  readonly devices: number;
}

/** For a sum of four ranks: 128 numbers of each at a time. */
const ROOM_BYTES = 4096;

await runRank<ContractData>(async ({ data, transport, rank }) => {
  if (data.devices > 0) {
    const devices = Array.from({ length: data.devices }, (_, i) => i);
    const engine = await createCudaEngine({ devices, localRank: rank });
    const { peers } = engine;
    assert.ok(peers);
    try {
      const inner = joinPeers({ inner: transport, copies: engine, peers, roomBytes: ROOM_BYTES });
      runContractCases(new DeviceOperands(inner, engine), data);
    } finally {
      engine.close();
    }
    return;
  }
  const inner = data.staged ? staged(transport) : transport;
  runContractCases(data.recording ? new RecordingTransport(inner) : inner, data);
});

function staged(transport: Transport): Transport {
  const engine = deferringEngine(createWasmEngine());
  return new DeviceOperands(new StagedTransport(transport, engine), engine);
}
