import { launchRanks } from '#src/communicators/threads/launch-ranks.js';
import type { RunGroup } from './communicator-contract.js';

const module = new URL('./communicator-contract-worker.js', import.meta.url);

export interface ThreadsVariant {
  readonly recording?: boolean;
  /** Operands are in the memory of an asynchronous engine. */
  readonly staged?: boolean;
  readonly kernels?: object;
  readonly stagingBytes?: number;
  readonly firstSequence?: number;
}

/** Groups of worker threads. */
export function threads({ recording = false, staged = false, ...group }: ThreadsVariant): RunGroup {
  return async (size, { cases, thorough, timeoutS }) => {
    const data = { cases, thorough, recording, staged };
    await launchRanks({ size, module, timeoutS, ...group, data }).done;
  };
}
