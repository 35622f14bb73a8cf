import { RecordingTransport } from '#src/communicators/recording/recording-transport.js';
import { runRank } from '#src/communicators/threads/threads-worker.js';
import { StagedTransport } from '#src/communicators/staged/staged-transport.js';
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
}

await runRank<ContractData>(({ data, transport }) => {
  const inner = data.staged ? staged(transport) : transport;
  runContractCases(data.recording ? new RecordingTransport(inner) : inner, data);
});

function staged(transport: Transport): Transport {
  const engine = deferringEngine(createWasmEngine());
  return new DeviceOperands(new StagedTransport(transport, engine), engine);
}
