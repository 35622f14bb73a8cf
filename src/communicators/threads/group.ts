import { randomUUID } from 'node:crypto';
import { ConfigError } from '../../base/errors.js';
import { GroupControl } from './control.js';
import { controlBytes, GENERATION, POSTED, rankWord, SLOTS, slotWord } from './layout.js';
import {
  growableMemory,
  PAGE_BYTES,
  type WasmMemory,
  type WasmModule,
} from '../../base/web-assembly.js';

export const MAXIMUM_RANKS = 256;
const DEFAULT_STAGING_BYTES = 1024 * 1024;
const STAGING_LIMIT_BYTES = 512 * 1024 * 1024;
/** Start of the memory, where a kernel module keeps what is its own. */
const RESERVED_BYTES = 2 * 1024 * 1024;
/** All-reduces up to this size, over all ranks, are summed by every rank for itself. */
const SMALL_BYTES = 32 * 1024;

export interface ThreadsGroupOptions {
  readonly size: number;
  /** Bytes of one rank's payload that one exchange carries; larger payloads go in chunks. Made
   * smaller where the group's staging would take more than 512 MiB. Default 1 MiB. */
  readonly stagingBytes?: number;
  /** Longest wait for the other ranks; 0: none. Default 60. */
  readonly timeoutS?: number;
  /** A module that imports `env.memory` (shared, maximum 65536 pages) and exports `add`, strict
   * float32. Without it sums are made in JavaScript, with the same bits. */
  readonly kernels?: WasmModule;
  /** Number of the first exchange; numbers wrap at 2³¹. */
  readonly firstSequence?: number;
}

/** What the ranks of a group share; structured clone carries it to workers. */
export interface ThreadsGroup {
  /** Of no other group. */
  readonly id: string;
  readonly size: number;
  readonly control: SharedArrayBuffer;
  readonly memory: WasmMemory;
  readonly kernels: WasmModule | null;
  /** A multiple of 64. */
  readonly stagingBytes: number;
  /** Before it was fitted to the size of the group. */
  readonly stagingBytesAsked: number;
  readonly timeoutS: number;
  readonly firstSequence: number;
}

/** Makes the shared state of a group; each rank joins it with `joinThreadsGroup`.
 * @throws ConfigError for sizes outside 1 … 256, or a timeout that is no time */
export function createThreadsGroup(options: ThreadsGroupOptions): ThreadsGroup {
  const { size, stagingBytes = DEFAULT_STAGING_BYTES, timeoutS = 60, firstSequence = 0 } = options;
  if (!Number.isInteger(size) || size < 1 || size > MAXIMUM_RANKS) {
    throw new ConfigError('threads', `${size} ranks; a group has 1 to ${MAXIMUM_RANKS}`);
  }
  if (!(timeoutS >= 0)) {
    throw new ConfigError('threads', `timeout of ${timeoutS} s; needs 0 (none) or more`);
  }
  if (!(stagingBytes > 0)) {
    throw new ConfigError('threads', `staging of ${stagingBytes} bytes; needs more than 0`);
  }
  const largest = STAGING_LIMIT_BYTES / (SLOTS * size);
  // A reduce-scatter stages an element for every rank.
  const smallest = 64 * size;
  const region = Math.max(smallest, 64 * Math.floor(Math.min(stagingBytes, largest) / 64));

  const control = new SharedArrayBuffer(controlBytes(size));
  const { words } = new GroupControl(size, control);
  for (let rank = 0; rank < size; rank++) {
    words[rankWord(rank) + POSTED] = firstSequence;
    words[rankWord(rank) + POSTED + 1] = firstSequence;
  }
  for (let slot = 0; slot < SLOTS; slot++) {
    words[slotWord(slot, 0) + GENERATION] = firstSequence;
    words[slotWord(slot, 1) + GENERATION] = firstSequence;
  }
  return {
    id: randomUUID(),
    size,
    control,
    memory: growableMemory(
      Math.ceil((stagingStart(SLOTS, size, region) + size * scratchBytes(size)) / PAGE_BYTES),
    ),
    kernels: options.kernels ?? null,
    stagingBytes: region,
    stagingBytesAsked: stagingBytes,
    timeoutS,
    firstSequence,
  };
}

/** Address of a slot's staging: one region for each rank. */
export function stagingStart(slot: number, size: number, regionBytes: number): number {
  return RESERVED_BYTES + slot * size * regionBytes;
}

/** Address of a rank's scratch, behind the slots. */
export function scratchStart(group: ThreadsGroup, rank: number): number {
  return stagingStart(SLOTS, group.size, group.stagingBytes) + rank * scratchBytes(group.size);
}

/** Bytes of one level of scratch: the largest payload that a rank sums for itself. */
export function scratchLevelBytes(size: number): number {
  return Math.max(64, 64 * Math.floor(SMALL_BYTES / size / 64));
}

function scratchBytes(size: number): number {
  return Math.ceil(Math.log2(size) + 1) * scratchLevelBytes(size);
}
