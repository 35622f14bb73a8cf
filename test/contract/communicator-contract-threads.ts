import { launchRanks } from '#src/communicators/threads/launch-ranks.js';
import type { RunGroup } from './communicator-contract.js';

const module = new URL('./communicator-contract-worker.js', import.meta.url);

export interface ThreadsVariant {
  readonly recording?: boolean;
  /** Operands are in the memory of an asynchronous engine. */
  readonly staged?: boolean;
  /** Operands are on this many devices of the stand-in for CUDA's libraries, whose engines copy from each
   * other, with so little room for sums that large ones go in chunks. */
  readonly devices?: number;
  readonly kernels?: object;
  readonly stagingBytes?: number;
  readonly firstSequence?: number;
}

/** Groups of worker threads. */
export function threads(variant: ThreadsVariant): RunGroup {
  const { recording = false, staged = false, devices = 0, ...group } = variant;
  return async (size, { cases, thorough, timeoutS }) => {
    const data = { cases, thorough, recording, staged, devices };
    await launchRanks({ size, module, timeoutS, ...group, data }).done;
  };
}
