import { NativeError } from '../../base/errors.js';
import type { RegionCopies } from '../../tensor/region-copies.js';
import type { Bytes } from '../../tensor/tensor.js';
import type { Transport } from '../communicator.js';

/** Of each rank: more than a page. */
const MOST_BYTES = 2 ** 16;

/**
 * Gathers a pattern of every rank's through the devices' memory, sends every rank another one, as sums and broadcasts
 * do, and compares what has come: a system whose IOMMU or PCIe access control (ACS) turns copies between devices aside
 * brings other bytes, and no error.
 *
 * @param room of the device's memory, which nobody else uses now
 * @throws NativeError where other bytes have come
 */
export function checkCopies(
  transport: Transport,
  copies: RegionCopies,
  room: { readonly at: number; readonly bytes: number },
): void {
  const { rank, size } = transport;
  const length = Math.min(MOST_BYTES, 64 * Math.floor(room.bytes / size / 2 / 64));
  const all: Bytes = { dtype: 'bytes', length: size * length, byteOffset: room.at };
  const sent: Bytes = { ...all, byteOffset: room.at + all.length };
  const own: Bytes = { ...sent, length };
  copies.toDevice(pattern(rank, length), own);
  transport.startAllGather(own, all).wait();
  // Once the device has come here, all others have read the own pattern too.
  compare(rank, copies.toHost(all), (peer) => pattern(peer, length));
  const between = (from: number, to: number) => pattern(size + size * from + to, length);
  for (let peer = 0; peer < size; peer++) {
    const at = sent.byteOffset + peer * length;
    copies.toDevice(between(rank, peer), { ...own, byteOffset: at });
  }
  transport.startAllToAll(sent, all).wait();
  compare(rank, copies.toHost(all), (peer) => between(peer, rank));
}

/** @param came of all ranks
 * @param of what a rank has sent */
function compare(rank: number, came: Uint8Array, of: (peer: number) => Uint8Array): void {
  for (let peer = 0, from = 0; from < came.length; peer++) {
    const expected = of(peer);
    const at = expected.findIndex((byte, i) => came[from + i] !== byte);
    if (at >= 0) {
      throw new NativeError(
        'cuda',
        `copies between devices bring wrong bytes: byte ${at} of ${expected.length} of rank ${peer}'s is ` +
          `${came[from + at]} on rank ${rank}, and was ${expected[at]}; PHANTOM_CUDA_PEERS=off copies by ` +
          "way of the host, and switching off the system's IOMMU or PCIe ACS may help",
      );
    }
    from += expected.length;
  }
}

/** Other bytes for each number, none of them 0, without a period of a power of two. */
function pattern(number: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => 1 + ((i + 83 * (number + 1)) % 251));
}
