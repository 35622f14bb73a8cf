import { RecordingTransport, runRank } from 'phantom-parallel';
import { runContractCases } from './communicator-contract-run.js';

await runRank<{ cases: readonly string[]; recording: boolean }>(({ data, transport }) => {
  runContractCases(data.recording ? new RecordingTransport(transport) : transport, data.cases);
});
