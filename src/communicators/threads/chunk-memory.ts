import { addKernel } from '../add-kernel.js';
import type { Call } from '../call.js';
import type { HostPayload } from '../host-transport.js';
import { addIn, TreeSum } from '../tree-sum.js';
import { scratchLevelBytes, scratchStart, stagingStart, type ThreadsGroup } from './group.js';
import { SLOTS } from './layout.js';
import type { Rendezvous } from './rendezvous.js';
import type { StagedCollective } from './staged-collective.js';
import { Views } from './views.js';

/**
 * The memory that all ranks of a group see, as one of them uses it: it copies its part of a chunk into the
 * slot of an exchange, and makes its result of what all have copied there. When a slot may be written is
 * the transport's.
 */
export class ChunkMemory {
  readonly #group: ThreadsGroup;
  readonly #rank: number;
  readonly #rendezvous: Rendezvous;
  readonly #float32: Float32Array;
  readonly #float64: Float64Array;
  readonly #bytes: Uint8Array;
  readonly #views8: Views<Uint8Array>;
  readonly #views32: Views<Float32Array>;
  readonly #views64: Views<Float64Array>;
  readonly #sum32: TreeSum;
  readonly #sum64: TreeSum;
  /** Bytes of a payload that every rank sums for itself. */
  readonly #smallBytes: number;

  constructor(group: ThreadsGroup, rank: number, rendezvous: Rendezvous) {
    const { size, memory, kernels } = group;
    this.#group = group;
    this.#rank = rank;
    this.#rendezvous = rendezvous;
    this.#float32 = new Float32Array(memory.buffer);
    this.#float64 = new Float64Array(memory.buffer);
    this.#bytes = new Uint8Array(memory.buffer);
    this.#views8 = new Views(this.#bytes);
    this.#views32 = new Views(this.#float32);
    this.#views64 = new Views(this.#float64);
    this.#smallBytes = scratchLevelBytes(size);
    const scratch = scratchStart(group, rank);
    const add = kernels === null ? addIn(this.#float32) : addKernel(kernels, memory);
    this.#sum32 = new TreeSum(add, scratch, this.#smallBytes);
    this.#sum64 = new TreeSum(addIn(this.#float64), scratch, this.#smallBytes);
  }

  /** Elements of a shard that a slot takes at a time. */
  chunkLength(call: Call, { BYTES_PER_ELEMENT: bytes }: HostPayload): number {
    const own = this.#group.stagingBytes / bytes;
    // One rank has the whole slot.
    if (call === 'broadcast') return own * this.#group.size;
    if (call !== 'all-to-all' && call !== 'reduce-scatter') return own;
    // The chunk of every shard: on whole cache lines where there are enough of them.
    const shard = Math.floor(own / this.#group.size);
    return shard - (shard % (64 / bytes));
  }

  /** Copies the own part of a chunk into the slot. */
  stage(operation: StagedCollective, chunk: number, sequence: number): void {
    const { call, send, length, chunkLength } = operation;
    const rank = this.#rank;
    const { size } = this.#group;
    const from = chunk * chunkLength;
    const count = Math.min(chunkLength, length - from);
    if (count === 0) return;
    const memory = this.#memoryOf(send);
    const start = this.#slotStart(sequence, send);
    if (call === 'reduce-scatter' || call === 'all-to-all') {
      // [size, count] for each rank: the chunk of shard after shard.
      const own = start + rank * size * count;
      if (count === length) memory.set(send, own);
      else {
        for (let shard = 0; shard < size; shard++) {
          memory.set(piece(send, shard * length + from, count), own + shard * count);
        }
      }
    } else if (call === 'broadcast') {
      if (rank === operation.root) memory.set(piece(send, from, count), start);
    } else {
      // [count] for each rank, without gaps: what is gathered is one copy.
      memory.set(piece(send, from, count), start + rank * count);
    }
  }

  /** Writes a chunk of the result, now that every rank's part is staged. */
  collect(operation: StagedCollective, chunk: number, sequence: number): void {
    const { call, receive, length, chunkLength } = operation;
    const from = chunk * chunkLength;
    const count = Math.min(chunkLength, length - from);
    if (count === 0) return;
    const start = this.#slotStart(sequence, receive);
    if (call === 'all-gather') this.#gather(operation, from, start);
    else if (call === 'all-reduce') this.#allReduce(operation, from, start, sequence);
    else if (call === 'all-to-all') this.#exchange(operation, from, start);
    else if (call === 'reduce-scatter') {
      const own = start + this.#rank * count;
      this.#sum32.inPlace(4 * own, 4 * this.#group.size * count, this.#group.size, count);
      receive.set(this.#views32.of(own, count), from);
    } else if (call === 'broadcast' && this.#rank !== operation.root) {
      receive.set(this.#view(receive, start, count), from);
    }
  }

  /** @param from first element of the chunk in a shard */
  #exchange({ receive, length, chunkLength }: StagedCollective, from: number, start: number): void {
    const rank = this.#rank;
    const { size } = this.#group;
    const count = Math.min(chunkLength, length - from);
    for (let peer = 0; peer < size; peer++) {
      const staged = start + (peer * size + rank) * count;
      receive.set(this.#view(receive, staged, count), peer * length + from);
    }
  }

  #gather(operation: StagedCollective, from: number, start: number): void {
    const { send, receive, length, chunkLength } = operation;
    const rank = this.#rank;
    const { size } = this.#group;
    const count = Math.min(chunkLength, length - from);
    const own = receive.byteOffset + receive.BYTES_PER_ELEMENT * rank * length;
    const inPlace = send.buffer === receive.buffer && send.byteOffset === own;
    if (count < length) {
      for (let peer = 0; peer < size; peer++) {
        if (inPlace && peer === rank) continue;
        receive.set(this.#view(receive, start + peer * count, count), peer * length + from);
      }
    } else if (inPlace) {
      const after = rank + 1;
      if (rank > 0) receive.set(this.#view(receive, start, rank * count));
      if (after < size) {
        const view = this.#view(receive, start + after * count, (size - after) * count);
        receive.set(view, after * count);
      }
    } else receive.set(this.#view(receive, start, size * count));
  }

  /** The same tree on both paths, hence the same bits. */
  #allReduce(operation: StagedCollective, from: number, start: number, sequence: number): void {
    const { receive: buffer, length, chunkLength } = operation;
    const rank = this.#rank;
    const { size } = this.#group;
    const count = Math.min(chunkLength, length - from);
    const bytes = buffer.BYTES_PER_ELEMENT;
    const sum = bytes === 8 ? this.#sum64 : this.#sum32;
    let result = start;
    if (bytes * count <= this.#smallBytes) {
      result = sum.aside(bytes * start, bytes * count, size, count) / bytes;
    } else {
      // Each rank sums its part in place, into rank 0's region; then all read that.
      const part = 16 * Math.ceil(count / size / 16);
      const low = Math.min(count, rank * part);
      const high = Math.min(count, low + part);
      sum.inPlace(bytes * (start + low), bytes * count, size, high - low);
      this.#rendezvous.arrive(sequence, 1);
      this.#rendezvous.await(sequence, 1, 'all-reduce');
    }
    buffer.set(this.#view(buffer, result, count), from);
  }

  /** Where a slot starts, in elements of the payload. */
  #slotStart(sequence: number, payload: HostPayload): number {
    const address = stagingStart(
      sequence & (SLOTS - 1),
      this.#group.size,
      this.#group.stagingBytes,
    );
    return address / payload.BYTES_PER_ELEMENT;
  }

  #view({ BYTES_PER_ELEMENT: bytes }: HostPayload, from: number, length: number): HostPayload {
    if (bytes === 4) return this.#views32.of(from, length);
    return (bytes === 8 ? this.#views64 : this.#views8).of(from, length);
  }

  #memoryOf({ BYTES_PER_ELEMENT: bytes }: HostPayload): HostPayload {
    return bytes === 4 ? this.#float32 : bytes === 8 ? this.#float64 : this.#bytes;
  }
}

function piece(payload: HostPayload, from: number, length: number): HostPayload {
  return length === payload.length ? payload : payload.subarray(from, from + length);
}
