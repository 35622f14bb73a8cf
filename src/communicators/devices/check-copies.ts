import { NativeError } from '../../base/errors.js';
import type { RegionCopies } from '../../tensor/region-copies.js';
import type { Bytes } from '../../tensor/tensor.js';
import type { Transport } from '../communicator.js';

/** Of each rank: more than a page. */
const MOST_BYTES = 2 ** 16;

/**
 * Gathers a pattern of every rank's through the devices' memory, and compares what has come: a system whose IOMMU or
 * PCIe access control (ACS) turns copies between devices aside brings other bytes, and no error.
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
  const length = Math.min(MOST_BYTES, 64 * Math.floor(room.bytes / (size + 1) / 64));
  const own: Bytes = { dtype: 'bytes', length, byteOffset: room.at };
  const all: Bytes = { dtype: 'bytes', length: size * length, byteOffset: room.at + length };
  copies.toDevice(pattern(rank, length), own);
  transport.startAllGather(own, all).wait();
  // Once the device has come here, all others have read the own pattern too.
  const came = copies.toHost(all);
  for (let peer = 0; peer < size; peer++) {
    const expected = pattern(peer, length);
    const at = expected.findIndex((byte, i) => came[peer * length + i] !== byte);
    if (at < 0) continue;
    throw new NativeError(
      'cuda',
      `copies between devices bring wrong bytes: byte ${at} of ${length} of rank ${peer}'s is ` +
        `${came[peer * length + at]} on rank ${rank}, and was ${expected[at]}; PHANTOM_CUDA_PEERS=off copies by ` +
        "way of the host, and switching off the system's IOMMU or PCIe ACS may help",
    );
  }
}

/** Other bytes for each rank, none of them 0, without a period of a power of two. */
function pattern(rank: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => 1 + ((i + 83 * (rank + 1)) % 251));
}
