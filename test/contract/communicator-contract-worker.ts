import { RecordingTransport } from '#src/communicators/recording/recording-transport.js';
import { runRank } from '#src/communicators/threads/threads-worker.js';
import { runContractCases } from './communicator-contract-run.js';

interface ContractData {
  readonly cases: readonly string[];
  readonly thorough: boolean;
  readonly recording: boolean;
}

await runRank<ContractData>(({ data, transport }) => {
  runContractCases(data.recording ? new RecordingTransport(transport) : transport, data);
});
