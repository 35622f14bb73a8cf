import { BroadcastChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { CollectiveError } from '../../base/errors.js';
import type { Transport } from '../communicator.js';
import type { GroupControl } from './control.js';
import { createThreadsGroup, type ThreadsGroup } from './group.js';

/** The ranks of a part among those of the whole group: the one that was launched. */
export interface Whole {
  readonly control: GroupControl;
  /** In the whole group, of each rank of the part. */
  readonly ranks: readonly number[];
}

export interface Part {
  readonly group: ThreadsGroup;
  /** In the group that was split, of each rank of the part. */
  readonly members: readonly number[];
  /** Place among the members. */
  readonly rank: number;
}

interface Offer {
  readonly color: number;
  readonly group: ThreadsGroup;
}

/**
 * Makes the shared memory of the ranks that give one color. The first of them posts it to the
 * others, who take it without returning to their event loops: a post is in every queue before the
 * poster goes on to the barrier.
 *
 * @param name of the channel, the same on every rank and used once in this process
 */
export function makePart(
  transport: Transport,
  group: ThreadsGroup,
  color: number,
  name: string,
): Part {
  const channel = new BroadcastChannel(name);
  try {
    const colors = new Int32Array(group.size);
    const own = new Uint8Array(Int32Array.of(color).buffer);
    // Behind it every rank has opened the channel.
    transport.startAllGather(own, new Uint8Array(colors.buffer)).wait();
    const members = [...colors.keys()].filter((rank) => colors[rank] === color);
    const rank = members.indexOf(transport.rank);
    const { stagingBytesAsked: stagingBytes, timeoutS, kernels } = group;
    let part: ThreadsGroup | null = null;
    if (rank === 0) {
      const options = { size: members.length, stagingBytes, timeoutS };
      part = createThreadsGroup(kernels === null ? options : { ...options, kernels });
      const offer: Offer = { color, group: part };
      channel.postMessage(offer);
    }
    transport.barrier();
    return { group: part ?? taken(channel, color, transport.rank), members, rank };
  } finally {
    channel.close();
  }
}

function taken(channel: BroadcastChannel, color: number, rank: number): ThreadsGroup {
  for (;;) {
    // Node takes both; its types know one.
    const received = receiveMessageOnPort(channel as unknown as MessagePort);
    if (received === undefined) {
      throw new CollectiveError('split', `rank ${rank}: no rank has offered the part ${color}`);
    }
    const offer = received.message as Offer;
    if (offer.color === color) return offer.group;
  }
}
