import { ConfigError } from '../../base/errors.js';
import { plural } from '../../base/format.js';
import type { Call } from '../call.js';
import type { Transport } from '../communicator.js';
import { HostTransport, IN_FLIGHT } from '../host-transport.js';
import { ChunkMemory } from './chunk-memory.js';
import type { ThreadsGroup } from './group.js';
import { SLOTS } from './layout.js';
import { makePart, type Whole } from './part.js';
import { Rendezvous } from './rendezvous.js';
import { StagedCollective } from './staged-collective.js';

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
class ThreadsTransport extends HostTransport<StagedCollective> {
  readonly name = 'threads';
  readonly description: string;
  readonly needsProgress = false;
  protected readonly collectives: readonly StagedCollective[];

  readonly #group: ThreadsGroup;
  readonly #rendezvous: Rendezvous;
  readonly #chunks: ChunkMemory;
  /** Started and not completed, a ring: #head is the oldest, #posting the first with a chunk that
   * is not staged, #tail the next free place. */
  readonly #queue: StagedCollective[];
  #head = 0;
  #posting = 0;
  #tail = 0;
  /** Numbers of the next exchange to stage and to complete; Int32, wrapping. */
  #next: number;
  #completed: number;
  /** null: this is the group that was launched. */
  readonly #whole: Whole | null;
  #parts = 0;

  constructor(group: ThreadsGroup, rank: number, whole: Whole | null = null) {
    super(rank, group.size);
    this.#whole = whole;
    this.description = plural(group.size, 'worker thread');
    this.#group = group;
    this.#rendezvous = new Rendezvous(group, rank, whole);
    this.#chunks = new ChunkMemory(group, rank, this.#rendezvous);
    const make = () => new StagedCollective((operation) => this.#finish(operation));
    this.collectives = Array.from({ length: IN_FLIGHT + 1 }, make);
    this.#queue = Array.from({ length: SLOTS }, make);
    this.#next = group.firstSequence | 0;
    this.#completed = this.#next;
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
    this.closed = true;
    this.#rendezvous.control.leave(this.rank);
  }

  protected check(call: Call): void {
    this.#rendezvous.check(call);
  }

  protected begin(operation: StagedCollective): void {
    const { call, send, length } = operation;
    operation.chunkLength = this.#chunks.chunkLength(call, send);
    operation.chunks = Math.max(1, Math.ceil(length / operation.chunkLength));
    operation.posted = 0;
    operation.completed = 0;
    this.#queue[this.#tail & (SLOTS - 1)] = operation;
    this.#tail = (this.#tail + 1) | 0;
    this.#post();
  }

  /** Stages what may be staged: at most D exchanges are in flight. */
  #post(): void {
    while (this.#posting !== this.#tail && ((this.#next - this.#completed) | 0) < IN_FLIGHT) {
      const operation = this.#queue[this.#posting & (SLOTS - 1)] as StagedCollective;
      const sequence = this.#next;
      this.#chunks.stage(operation, operation.posted, sequence);
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
      this.#chunks.collect(oldest, oldest.completed, sequence);
      this.#completed = (sequence + 1) | 0;
      oldest.completed++;
      if (oldest.completed === oldest.chunks) this.#head = (this.#head + 1) | 0;
      this.#post();
    }
    operation.busy = false;
  }
}
