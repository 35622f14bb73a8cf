import { RecordingTransport } from '#src/communicators/recording/recording-transport.js';
import { runRank } from '#src/communicators/threads/threads-worker.js';
import { runContractCases } from './communicator-contract-run.js';

await runRank<{ cases: readonly string[]; recording: boolean }>(({ data, transport }) => {
  runContractCases(data.recording ? new RecordingTransport(transport) : transport, data.cases);
});
