import type { DeviceMessages } from '../../tensor/device-messages.js';
import type { PeerCopies } from '../../tensor/peer-copies.js';
import type { RegionCopies } from '../../tensor/region-copies.js';
import { Communicator, type Transport } from '../communicator.js';
import { checkCopies } from '../devices/check-copies.js';
import { DeviceSums, ROOM_BYTES } from '../devices/device-sums.js';
import { DeviceTransport } from '../devices/device-transport.js';
import { Exchange } from '../exchange.js';
import type { MpiTransport } from '../mpi/mpi-transport.js';
import { StagedTransport } from '../staged/staged-transport.js';
import { NcclCollective, type NcclGroup } from './nccl-collective.js';

/** How the rank of a process joins its group on devices. */
export interface NcclOptions {
  /** Between the hosts of the ranks. */
  readonly inner: MpiTransport;
  /** The rank's engine; null: others are not to reach its memory. */
  readonly copies: RegionCopies;
  readonly peers: PeerCopies | null;
  /** Of the device's memory, for parts of sums. Default: 16 MiB. */
  readonly roomBytes?: number;
}

/** What a rank has to say of its device. */
export interface Offer {
  /** `NCCL 2.21.5`; empty: none that can be used. */
  readonly library: string;
  /** What tells the device from all others, or why there is no library. */
  readonly detail: string;
}

/**
 * Puts collectives of regions on messages between devices by NCCL, and sums of them on each device by the fixed tree,
 * where every rank has a device of its own and the same NCCL; else a `StagedTransport` that says why not. Host arrays
 * go by MPI. Every rank calls it.
 *
 * @throws CollectiveError where the group has ended
 * @throws UnsupportedError where the device has no memory left for parts of sums
 * @throws NativeError where NCCL fails, or what comes from another device is not what is there
 */
export function joinNccl(options: NcclOptions): Transport {
  const { inner, copies, peers, roomBytes = ROOM_BYTES } = options;
  if (inner.size === 1) return new StagedTransport(inner, copies);
  const messages = peers?.messages ?? null;
  const why = reasonAgainst(offers(inner, peers, messages));
  if (why !== null || peers === null || messages === null) {
    return new StagedTransport(inner, copies, why ?? '');
  }
  messages.watch(
    (waitedMs) => inner.hear(waitedMs),
    () => inner.barrier(),
  );
  const sums = new DeviceSums(peers, copies.idle, roomBytes);
  const transport = joined({ inner, copies, peers, messages, sums });
  checkCopies(transport, copies, { at: sums.room, bytes: roomBytes });
  return transport;
}

type Joining = Omit<NcclGroup, 'devices'> & { readonly messages: DeviceMessages };

function joined({ inner, copies, peers, messages, sums }: Joining): Transport {
  if (inner.size === 1) return new StagedTransport(inner, copies);
  const id = new Float64Array(16);
  const bytes = new Uint8Array(id.buffer);
  if (inner.rank === 0) bytes.set(messages.createId());
  inner.broadcast(id, 0);
  const devices = messages.join(bytes, inner.rank, inner.size);
  const group: NcclGroup = { inner, copies, peers, devices, sums };
  return new DeviceTransport({
    inner,
    copies,
    way: `${messages.library} between devices`,
    collective: () => new NcclCollective(group),
    split: (color) => joined({ inner: inner.split(color), copies, peers, messages, sums }),
    close: () => inner.close(),
  });
}

/** Of all ranks. */
function offers(
  inner: Transport,
  peers: PeerCopies | null,
  messages: DeviceMessages | null,
): Offer[] {
  const off = peers === null ? 'PHANTOM_CUDA_PEERS is off' : 'no rank is to use NCCL';
  const { library = null, missing = off, device = '' } = messages ?? {};
  const own = library === null ? `\n${missing}` : `${library}\n${device}`;
  return new Exchange(new Communicator(inner)).texts(own).map((text) => {
    const [found = '', detail = ''] = text.split('\n');
    return { library: found, detail };
  });
}

/** Why devices cannot exchange by NCCL, as a clause; null: they can. Exported for its tests. */
export function reasonAgainst(ranks: readonly Offer[]): string | null {
  const without = ranks.findIndex(({ library }) => library === '');
  if (without >= 0) {
    const { detail } = ranks[without] as Offer;
    const all = ranks.every((rank) => rank.library === '' && rank.detail === detail);
    return all ? detail : `${detail} on rank ${without}`;
  }
  const first = ranks[0]?.library;
  const other = ranks.findIndex(({ library }) => library !== first);
  if (other >= 0) return `rank 0 has ${first}, rank ${other} ${ranks[other]?.library}`;
  for (const [rank, { detail }] of ranks.entries()) {
    const before = ranks.findIndex((one) => one.detail === detail);
    if (before < rank) return `ranks ${before} and ${rank} share a device, which NCCL cannot`;
  }
  return null;
}
