import { CollectiveError, ConfigError } from '../../base/errors.js';
import { plural } from '../../base/format.js';
import { type Call, encodeCall, shardLength } from '../call.js';
import type {
  Moved,
  MovedPayload,
  Payload,
  PendingCollective,
  Summed,
  Transport,
} from '../communicator.js';
import { hostOf } from '../operands.js';
import type { Tensor } from '../../tensor/tensor.js';
import { scratchLevelBytes, scratchStart, stagingStart, type ThreadsGroup } from './group.js';
import { IN_FLIGHT, SLOTS } from './layout.js';
import { makePart, type Whole } from './part.js';
import { EMPTY, StagedCollective } from './staged-collective.js';
import { Rendezvous } from './rendezvous.js';
import { addIn, TreeSum } from '../tree-sum.js';
import { Views } from './views.js';
import { addKernel } from '../add-kernel.js';

/** What an operation carries. */
type Data = Payload | MovedPayload;

/** Joins a group as one of its ranks; once for each rank.
 * @throws ConfigError when there is no such rank */
export function joinThreadsGroup(group: ThreadsGroup, rank: number): Transport {
  if (!Number.isInteger(rank) || rank < 0 || rank >= group.size) {
    throw new ConfigError('threads', `rank ${rank} is not a rank of 0 … ${group.size - 1}`);
  }
  return new ThreadsTransport(group, rank);
}

/**
 * Collectives between threads, through staging that all of them see.
 *
 * Every collective is one exchange, or several where its payload is larger than its staging: a
 * rank copies its payload into its region of the exchange's slot and arrives; when all have
 * arrived it reads the others' regions. There is no second barrier against overwriting what
 * another rank still reads. Proof, with D exchanges in flight and S = 2D slots: a rank stages
 * exchange n only when it has completed n − D (`#post` sees to it). It completed n − D after
 * every rank had arrived there; each of these ranks had by then completed n − 2D. So when a rank
 * writes to slot n mod S, every rank has finished reading what the slot held before, that of
 * exchange n − S = n − 2D.
 *
 * Exchanges are numbered in the order of the starts, on every rank alike, whatever the order of
 * its waits: a wait first completes what was started before. A chunk that has no slot yet is
 * staged later, by a wait; its buffers belong to the collective until then.
 */
class ThreadsTransport implements Transport {
  readonly name = 'threads';
  readonly description: string;
  readonly rank: number;
  readonly size: number;
  readonly maxInFlight = IN_FLIGHT;
  readonly needsProgress = false;

  readonly #group: ThreadsGroup;
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

  readonly #operations: readonly StagedCollective[];
  /** For the calls that block. */
  readonly #blocking: StagedCollective;
  /** Started and not completed, a ring: #head is the oldest, #posting the first with a chunk that
   * is not staged, #tail the next free place. */
  readonly #queue: StagedCollective[];
  #head = 0;
  #posting = 0;
  #tail = 0;
  /** Numbers of the next exchange to stage and to complete; Int32, wrapping. */
  #next: number;
  #completed: number;
  #closed = false;
  /** null: this is the group that was launched. */
  readonly #whole: Whole | null;
  #parts = 0;

  constructor(group: ThreadsGroup, rank: number, whole: Whole | null = null) {
    this.#whole = whole;
    const { size, memory, kernels } = group;
    this.rank = rank;
    this.size = size;
    this.description = plural(size, 'worker thread');
    this.#group = group;
    this.#rendezvous = new Rendezvous(group, rank, whole);
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
    const finish = (operation: StagedCollective): void => this.#finish(operation);
    this.#operations = Array.from({ length: IN_FLIGHT }, () => new StagedCollective(finish));
    this.#blocking = new StagedCollective(finish);
    this.#queue = Array.from({ length: SLOTS }, () => this.#blocking);
    this.#next = group.firstSequence | 0;
    this.#completed = this.#next;
  }

  startAllGather(send: Moved, receive: Moved): PendingCollective {
    return this.#start(this.#free('all-gather'), 'all-gather', hostOf(send), hostOf(receive));
  }

  startAllToAll(send: Moved, receive: Moved): PendingCollective {
    return this.#start(this.#free('all-to-all'), 'all-to-all', hostOf(send), hostOf(receive));
  }

  startReduceScatterSum(
    send: Float32Array | Tensor,
    receive: Float32Array | Tensor,
  ): PendingCollective {
    return this.#start(
      this.#free('reduce-scatter'),
      'reduce-scatter',
      hostOf(send),
      hostOf(receive),
    );
  }

  startAllReduceSum(buffer: Summed): PendingCollective {
    const host = hostOf(buffer);
    return this.#start(this.#free('all-reduce'), 'all-reduce', host, host);
  }

  broadcast(buffer: Summed, root: number): void {
    this.#blocking.root = root;
    const host = hostOf(buffer);
    this.#start(this.#blocking, 'broadcast', host, host).wait();
    this.#blocking.root = 0;
  }

  barrier(): void {
    this.#start(this.#blocking, 'barrier', EMPTY, EMPTY).wait();
  }
  progress(): void {}

  split(color: number): ThreadsTransport {
    const name = `${this.#group.id} ${this.#parts++}`;
    const { group, members, rank } = makePart(this, this.#group, color, name);
    const ranks = members.map((member) => this.#whole?.ranks[member] ?? member);
    const control = this.#whole?.control ?? this.#rendezvous.control;
    return new ThreadsTransport(group, rank, { control, ranks });
  }

  abort(cause: string): void {
    this.#rendezvous.abort(cause);
  }

  close(): void {
    this.#closed = true;
    this.#rendezvous.control.leave(this.rank);
  }

  #free(call: Call): StagedCollective {
    for (const operation of this.#operations) if (!operation.busy) return operation;
    throw new CollectiveError(
      call,
      `rank ${this.rank} has ${IN_FLIGHT} collectives started and not waited for; wait for one ` +
        'of them first',
    );
  }

  #start(operation: StagedCollective, call: Call, send: Data, receive: Data): PendingCollective {
    if (this.#closed) throw new CollectiveError(call, `rank ${this.rank} has left the group`);
    this.#rendezvous.check(call);
    operation.call = call;
    operation.code = encodeCall(call, send, operation.root);
    operation.send = send;
    operation.receive = receive;
    operation.length = shardLength(call, send, receive, this.size);
    operation.chunkLength = this.#chunkLength(call, send);
    operation.chunks = Math.max(1, Math.ceil(operation.length / operation.chunkLength));
    operation.posted = 0;
    operation.completed = 0;
    operation.busy = true;
    this.#queue[this.#tail & (SLOTS - 1)] = operation;
    this.#tail = (this.#tail + 1) | 0;
    this.#post();
    return operation;
  }

  /** Elements of a shard that a slot takes at a time. */
  #chunkLength(call: Call, { BYTES_PER_ELEMENT: bytes }: Data): number {
    const own = this.#group.stagingBytes / bytes;
    // One rank has the whole slot.
    if (call === 'broadcast') return own * this.size;
    if (call !== 'all-to-all' && call !== 'reduce-scatter') return own;
    // The chunk of every shard: on whole cache lines where there are enough of them.
    const shard = Math.floor(own / this.size);
    return shard - (shard % (64 / bytes));
  }

  /** Stages what may be staged: at most D exchanges are in flight. */
  #post(): void {
    while (this.#posting !== this.#tail && ((this.#next - this.#completed) | 0) < IN_FLIGHT) {
      const operation = this.#queue[this.#posting & (SLOTS - 1)] as StagedCollective;
      const sequence = this.#next;
      this.#stage(operation, operation.posted, sequence & (SLOTS - 1));
      this.#rendezvous.sign(sequence, operation.code, operation.length);
      this.#rendezvous.arrive(sequence, 0);
      this.#next = (sequence + 1) | 0;
      operation.posted++;
      if (operation.posted === operation.chunks) this.#posting = (this.#posting + 1) | 0;
    }
  }

  #finish(operation: StagedCollective): void {
    while (operation.completed < operation.chunks) {
      const oldest = this.#queue[this.#head & (SLOTS - 1)] as StagedCollective;
      const sequence = this.#completed;
      this.#rendezvous.await(sequence, 0, oldest.call);
      this.#collect(oldest, oldest.completed, sequence);
      this.#completed = (sequence + 1) | 0;
      oldest.completed++;
      if (oldest.completed === oldest.chunks) this.#head = (this.#head + 1) | 0;
      this.#post();
    }
    operation.busy = false;
  }

  /** Copies the own part of a chunk into the slot. */
  #stage(operation: StagedCollective, chunk: number, slot: number): void {
    const { call, send, length, chunkLength } = operation;
    const { rank, size } = this;
    const from = chunk * chunkLength;
    const count = Math.min(chunkLength, length - from);
    if (count === 0) return;
    const memory = this.#memoryOf(send);
    const start = this.#slotStart(slot, send);
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
  #collect(operation: StagedCollective, chunk: number, sequence: number): void {
    const { call, receive, length, chunkLength } = operation;
    const from = chunk * chunkLength;
    const count = Math.min(chunkLength, length - from);
    if (count === 0) return;
    const start = this.#slotStart(sequence & (SLOTS - 1), receive);
    if (call === 'all-gather') this.#gather(operation, from, start);
    else if (call === 'all-reduce') this.#allReduce(operation, from, start, sequence);
    else if (call === 'all-to-all') this.#exchange(operation, from, start);
    else if (call === 'reduce-scatter') {
      const own = start + this.rank * count;
      this.#sum32.inPlace(4 * own, 4 * this.size * count, this.size, count);
      receive.set(this.#views32.of(own, count), from);
    } else if (call === 'broadcast' && this.rank !== operation.root) {
      receive.set(this.#view(receive, start, count), from);
    }
  }

  /** @param from first element of the chunk in a shard */
  #exchange({ receive, length, chunkLength }: StagedCollective, from: number, start: number): void {
    const { rank, size } = this;
    const count = Math.min(chunkLength, length - from);
    for (let peer = 0; peer < size; peer++) {
      const staged = start + (peer * size + rank) * count;
      receive.set(this.#view(receive, staged, count), peer * length + from);
    }
  }

  #gather(operation: StagedCollective, from: number, start: number): void {
    const { send, receive, length, chunkLength } = operation;
    const { rank, size } = this;
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
    const { rank, size } = this;
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
  #slotStart(slot: number, payload: Data): number {
    const address = stagingStart(slot, this.size, this.#group.stagingBytes);
    return address / payload.BYTES_PER_ELEMENT;
  }

  #view({ BYTES_PER_ELEMENT: bytes }: Data, from: number, length: number): Data {
    if (bytes === 4) return this.#views32.of(from, length);
    return (bytes === 8 ? this.#views64 : this.#views8).of(from, length);
  }

  #memoryOf({ BYTES_PER_ELEMENT: bytes }: Data): Data {
    return bytes === 4 ? this.#float32 : bytes === 8 ? this.#float64 : this.#bytes;
  }
}

function piece(payload: Data, from: number, length: number): Data {
  return length === payload.length ? payload : payload.subarray(from, from + length);
}
