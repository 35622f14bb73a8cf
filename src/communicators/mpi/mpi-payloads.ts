import type { WasmModule } from '../../base/web-assembly.js';
import type { MovedPayload, Payload } from '../communicator.js';
import type { MpiLink } from './link.js';
import { HEADER_BYTES, INLINE_BYTES, type MpiCollective } from './mpi-collective.js';
import { Staging } from './mpi-staging.js';

/** All-reduces up to this size are gathered whole, and summed by every rank for itself. */
const SMALL_BYTES = 32 * 1024;

/**
 * How payloads travel, straight from and to the buffers of the program where nothing is summed:
 *
 * | call | MPI | then |
 * |---|---|---|
 * | payload of 48 bytes or less | in the headers | the tree, where there is a sum |
 * | all-gather | Iallgather | |
 * | all-to-all | Ialltoall | |
 * | reduce-scatter | Ialltoall of shards into staging | the tree |
 * | all-reduce, small or float64 | Iallgather of everything into staging | the tree |
 * | all-reduce | Ialltoallv of parts into staging | the tree, Iallgatherv of the sums |
 * | broadcast | Ibcast | |
 * | barrier | the headers | |
 */
export class MpiPayloads {
  readonly #link: MpiLink;
  readonly #staging: Staging;
  /** Headers, payloads and second halves are each started in one order on all ranks, but not in
   * one order together. */
  readonly #headerComm: number;
  readonly #payloadComm: number;
  readonly #secondComm: number;

  constructor(link: MpiLink, places: number, kernels: WasmModule | null) {
    this.#link = link;
    this.#staging = new Staging(places, kernels);
    this.#headerComm = link.duplicate();
    this.#payloadComm = link.duplicate();
    this.#secondComm = link.duplicate();
  }

  start(operation: MpiCollective): void {
    const { mpi } = this.#link;
    const { call, send, addresses } = operation;
    operation.inline = call === 'barrier' || send.byteLength <= INLINE_BYTES;
    operation.sign();
    if (operation.inline && send.length > 0) copyBytes(send, operation.ownHeader, 16);
    const { byte } = mpi.constants;
    this.#link.check(
      call,
      mpi.iallgather(
        addresses.ownHeader,
        HEADER_BYTES,
        byte,
        addresses.headers,
        HEADER_BYTES,
        byte,
        this.#headerComm,
        operation.headerRequest,
      ),
    );
    if (!operation.inline) this.#link.check(call, this.#startPayload(operation));
  }

  /** Writes the result of a payload that was in the headers. */
  collectInline(operation: MpiCollective): void {
    const { call, send, receive, headers, length, root } = operation;
    if (length === 0 || call === 'barrier') return;
    const { rank, size } = this.#link;
    if (call === 'broadcast') {
      if (root !== rank) copyFrom(headers, root * HEADER_BYTES + 16, bytesOf(receive, 0, length));
      return;
    }
    if (call === 'all-gather') {
      for (let peer = 0; peer < size; peer++) {
        copyFrom(headers, peer * HEADER_BYTES + 16, bytesOf(receive, peer * length, length));
      }
      return;
    }
    const bytes = send.BYTES_PER_ELEMENT;
    if (call === 'all-to-all') {
      for (let peer = 0; peer < size; peer++) {
        const from = peer * HEADER_BYTES + 16 + rank * length * bytes;
        copyFrom(headers, from, bytesOf(receive, peer * length, length));
      }
      return;
    }
    const skipped = call === 'reduce-scatter' ? rank * length * bytes : 0;
    const staged = this.#staging.reserve(operation.place, size * length * bytes);
    for (let peer = 0; peer < size; peer++) {
      const from = peer * HEADER_BYTES + 16 + skipped;
      this.#staging.bytes.set(
        headers.subarray(from, from + length * bytes),
        staged + peer * length * bytes,
      );
    }
    this.#staging.sumInto(receive as Payload, staged, size);
  }

  #startPayload(operation: MpiCollective): number {
    const { mpi, addresses, rank, size } = this.#link;
    const { call, send, receive, length, payloadRequest: request } = operation;
    const type = this.#type(send);
    const comm = this.#payloadComm;
    const from = addresses.of(send);
    if (call === 'broadcast') return mpi.ibcast(from, length, type, operation.root, comm, request);
    if (call === 'all-gather') {
      const to = addresses.of(receive);
      const inPlace = from === to + send.BYTES_PER_ELEMENT * rank * length;
      const source = inPlace ? mpi.constants.inPlace : from;
      return mpi.iallgather(source, length, type, to, length, type, comm, request);
    }
    if (call === 'all-reduce' && !isSplit(operation)) {
      const to = this.#stage(operation, size * send.byteLength);
      return mpi.iallgather(from, length, type, to, length, type, comm, request);
    }
    if (call === 'all-to-all') {
      const to = addresses.of(receive);
      return mpi.ialltoall(from, length, type, to, length, type, comm, request);
    }
    if (call === 'reduce-scatter') {
      const to = this.#stage(operation, send.byteLength);
      return mpi.ialltoall(from, length, type, to, length, type, comm, request);
    }
    return this.#startSplit(operation, from, type);
  }

  /** Every rank sums one part, of 16 elements or a multiple. */
  #startSplit(operation: MpiCollective, from: number, type: number): number {
    const { mpi, rank, size } = this.#link;
    const { length, counts, offsets, partCounts, partOffsets } = operation;
    const part = 16 * Math.ceil(length / size / 16);
    const countOf = (peer: number) => Math.max(0, Math.min(part, length - peer * part));
    const own = countOf(rank);
    const to = this.#stage(operation, 4 * size * own);
    for (let peer = 0; peer < size; peer++) {
      counts[peer] = countOf(peer);
      offsets[peer] = Math.min(length, peer * part);
      partCounts[peer] = own;
      partOffsets[peer] = peer * own;
    }
    const at = operation.addresses;
    return mpi.ialltoallv(
      from,
      at.counts,
      at.offsets,
      type,
      to,
      at.partCounts,
      at.partOffsets,
      type,
      this.#payloadComm,
      operation.payloadRequest,
    );
  }

  /** Writes the result, or starts its second half.
   * @returns whether there is something left to wait for */
  collect(operation: MpiCollective): boolean {
    const { call, receive, staged } = operation;
    const { rank, size } = this.#link;
    if (call === 'all-reduce' && isSplit(operation)) {
      const own = operation.counts[rank] ?? 0;
      // In place: the own part of the buffer has been sent.
      const from = operation.offsets[rank] ?? 0;
      const part = (receive as Payload).subarray(from, from + own);
      this.#staging.sumInto(part, staged, size);
      this.#link.check(call, this.#startSecond(operation));
      return true;
    }
    if (call === 'all-reduce' || call === 'reduce-scatter') {
      this.#staging.sumInto(receive as Payload, staged, size);
    }
    return false;
  }

  #startSecond({ receive, addresses: at, payloadRequest }: MpiCollective): number {
    const { mpi, addresses } = this.#link;
    const type = mpi.constants.float32;
    return mpi.iallgatherv(
      mpi.constants.inPlace,
      0,
      type,
      addresses.of(receive),
      at.counts,
      at.offsets,
      type,
      this.#secondComm,
      payloadRequest,
    );
  }

  /** Makes room for what arrives. @returns its native address */
  #stage(operation: MpiCollective, bytes: number): number {
    operation.staged = this.#staging.reserve(operation.place, bytes);
    return this.#link.addresses.of(this.#staging.bytes) + operation.staged;
  }

  #type({ BYTES_PER_ELEMENT: bytes }: Payload | MovedPayload): number {
    const { byte, float32, float64 } = this.#link.mpi.constants;
    return bytes === 4 ? float32 : bytes === 8 ? float64 : byte;
  }
}

function isSplit({ send }: MpiCollective): boolean {
  return send.byteLength > SMALL_BYTES && send instanceof Float32Array;
}

function copyBytes(from: Payload | MovedPayload, to: Uint8Array, at: number): void {
  to.set(new Uint8Array(from.buffer, from.byteOffset, from.byteLength), at);
}

function copyFrom(from: Uint8Array, at: number, to: Uint8Array): void {
  to.set(from.subarray(at, at + to.length));
}

/** The bytes of some elements. */
function bytesOf(payload: Payload | MovedPayload, from: number, length: number): Uint8Array {
  const bytes = payload.BYTES_PER_ELEMENT;
  return new Uint8Array(payload.buffer, payload.byteOffset + from * bytes, length * bytes);
}
