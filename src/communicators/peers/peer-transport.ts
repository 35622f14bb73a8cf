import type { PeerCopies, PeerPlace } from '../../tensor/peer-copies.js';
import type { RegionCopies } from '../../tensor/region-copies.js';
import type { Transport } from '../communicator.js';
import { checkCopies } from '../devices/check-copies.js';
import { DeviceSums, ROOM_BYTES } from '../devices/device-sums.js';
import { DeviceTransport } from '../devices/device-transport.js';
import { StagedTransport } from '../staged/staged-transport.js';
import { PeerCollective, type PeerGroup } from './peer-collective.js';

/** How a rank joins its group on devices. */
export interface PeerOptions {
  /** Between the hosts of ranks that are threads of one process. */
  readonly inner: Transport;
  /** The rank's engine, and how others copy from it. */
  readonly copies: RegionCopies;
  readonly peers: PeerCopies;
  /** Of the device's memory, for parts of sums. Default: 16 MiB. */
  readonly roomBytes?: number;
}

/** Puts collectives of regions on copies between devices whose ranks are threads of one process: each copies what it
 * needs from the others' memory, and sums it by the fixed tree on its own device. The host's memory carries addresses
 * and marks alone, and host arrays, as without devices. Every rank calls it.
 * @throws CollectiveError where the group has ended
 * @throws UnsupportedError where the device has no memory left for parts of sums
 * @throws NativeError where what comes from another device is not what is there */
export function joinPeers(options: PeerOptions): Transport {
  const { inner, copies, peers, roomBytes = ROOM_BYTES } = options;
  if (inner.size === 1) return new StagedTransport(inner, copies);
  const sums = new DeviceSums(peers, copies.idle, roomBytes);
  const transport = joined(options, sums);
  checkCopies(transport, copies, { at: sums.room, bytes: roomBytes });
  return transport;
}

type Joining = Pick<PeerOptions, 'inner' | 'copies' | 'peers'>;

function joined({ inner, copies, peers }: Joining, sums: DeviceSums): Transport {
  if (inner.size === 1) return new StagedTransport(inner, copies);
  const { device, context } = peers.place;
  const all = new Float64Array(2 * inner.size);
  gather(inner, Float64Array.of(device, context), all);
  const places = Array.from({ length: inner.size }, (_, rank): PeerPlace => {
    return { device: all[2 * rank] ?? 0, context: all[2 * rank + 1] ?? 0 };
  });
  // Each of them, so that no rank copies before its device reaches all.
  const direct = places.map((place) => peers.reach(place)).every(Boolean);
  const areDirect = new Float64Array(inner.size);
  gather(inner, Float64Array.of(direct ? 1 : 0), areDirect);
  const meetings = inner.split(0);
  const group: PeerGroup = { inner, meetings, copies, peers, places, sums };
  return new DeviceTransport({
    inner,
    copies,
    way: wayBetween(
      places,
      areDirect.every((one) => one === 1),
    ),
    collective: () => new PeerCollective(group),
    split: (color) => joined({ inner: inner.split(color), copies, peers }, sums),
    close() {
      inner.close();
      meetings.close();
    },
  });
}

function wayBetween([first, ...others]: readonly PeerPlace[], isDirect: boolean): string {
  if (others.every(({ device }) => device === first?.device)) return 'copies on one device';
  return `peer copies between devices${isDirect ? '' : ' by way of the driver'}`;
}

function gather(transport: Transport, own: Float64Array, all: Float64Array): void {
  transport.startAllGather(new Uint8Array(own.buffer), new Uint8Array(all.buffer)).wait();
}
