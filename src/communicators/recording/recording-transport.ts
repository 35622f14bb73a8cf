import { HostPhaseClock, PHASE, type PhaseClock } from '../../base/phases.js';
import type { Moved, PendingCollective, Summed, Transport } from '../communicator.js';
import { byteLength, bytesEach } from '../operands.js';
import type { Tensor } from '../../tensor/tensor.js';

/** The name of a collective. */
export type CollectiveKind =
  | 'allGather'
  | 'allToAll'
  | 'reduceScatter'
  | 'allReduce'
  | 'broadcast'
  | 'barrier';

/** What one rank did with one kind of collective. */
export interface CollectiveRecord {
  calls: number;
  sentBytes: number;
  receivedBytes: number;
  /** Between a start's return and its wait, without calls of `progress`: what communication can
   * hide behind. Zero for calls that block. */
  postedS: number;
  /** Inside the calls: start, wait, and `progress` while this was the oldest one under way. The
   * program did nothing else in it. */
  exposedS: number;
}

/** Counts and times of each kind of collective. */
export type CommunicationRecord = Readonly<Record<CollectiveKind, CollectiveRecord>>;

/**
 * A transport that counts what passes through it.
 *
 * Bytes are those of an algorithm that moves no more than it must, whatever the transport does:
 * for R ranks and payloads of e bytes an element,
 *
 * | collective | sent by a rank | received by a rank |
 * |---|---|---|
 * | all-gather, shard of n elements | (R−1)·n·e | (R−1)·n·e |
 * | all-to-all, shard of n elements | (R−1)·n·e | (R−1)·n·e |
 * | reduce-scatter, shard of n elements | (R−1)·n·e | (R−1)·n·e |
 * | all-reduce of n elements | 2(R−1)·⌈n/R⌉·e | 2(R−1)·⌈n/R⌉·e |
 * | broadcast of n elements | root: (R−1)·n·e, else 0 | root: 0, else n·e |
 * | barrier | 0 | 0 |
 *
 * A collective is counted when it is started. Inside a call the rank's phase is `waiting`. A part
 * of the group has counts of its own.
 */
export class RecordingTransport implements Transport {
  readonly name: string;
  readonly description: string;
  readonly rank: number;
  readonly size: number;
  readonly maxInFlight: number;
  readonly needsProgress: boolean;
  /** Counts since the last reset. */
  readonly record: CommunicationRecord = emptyCommunicationRecord();
  readonly #inner: Transport;
  readonly #phases: PhaseClock;
  readonly #hides: boolean;
  /** Handles that are not in use, and those started and not waited for, the oldest first. */
  readonly #free: RecordedCollective[] = [];
  readonly #underWay: RecordedCollective[] = [];

  /**
   * @param phases the rank's clock
   * @param options.hides whether the clock counts what is under way here as hidden beside other work
   */
  constructor(
    inner: Transport,
    phases: PhaseClock = new HostPhaseClock(),
    { hides = true }: { readonly hides?: boolean } = {},
  ) {
    this.name = inner.name;
    this.description = inner.description;
    this.rank = inner.rank;
    this.size = inner.size;
    this.maxInFlight = inner.maxInFlight;
    this.needsProgress = inner.needsProgress;
    this.#inner = inner;
    this.#phases = phases;
    this.#hides = hides && inner.size > 1;
  }

  /** A copy of the counts. */
  snapshot(): CommunicationRecord {
    const { allGather, allToAll, reduceScatter, allReduce, broadcast, barrier } = this.record;
    return {
      allGather: { ...allGather },
      allToAll: { ...allToAll },
      reduceScatter: { ...reduceScatter },
      allReduce: { ...allReduce },
      broadcast: { ...broadcast },
      barrier: { ...barrier },
    };
  }

  /** Sets every count to zero. */
  reset(): void {
    for (const counts of Object.values(this.record)) Object.assign(counts, none());
  }

  startAllGather(send: Moved, receive: Moved): PendingCollective {
    const phase = this.#phases.enter(PHASE.waiting);
    const started = performance.now();
    const pending = this.#inner.startAllGather(send, receive);
    this.#phases.enter(phase);
    const bytes = (this.size - 1) * byteLength(send);
    return this.#started(this.record.allGather, started, pending, bytes);
  }

  startAllToAll(send: Moved, receive: Moved): PendingCollective {
    const phase = this.#phases.enter(PHASE.waiting);
    const started = performance.now();
    const pending = this.#inner.startAllToAll(send, receive);
    this.#phases.enter(phase);
    const bytes = ((this.size - 1) * byteLength(send)) / this.size;
    return this.#started(this.record.allToAll, started, pending, bytes);
  }

  startReduceScatterSum(
    send: Float32Array | Tensor,
    receive: Float32Array | Tensor,
  ): PendingCollective {
    const phase = this.#phases.enter(PHASE.waiting);
    const started = performance.now();
    const pending = this.#inner.startReduceScatterSum(send, receive);
    this.#phases.enter(phase);
    const bytes = (this.size - 1) * byteLength(receive);
    return this.#started(this.record.reduceScatter, started, pending, bytes);
  }

  startAllReduceSum(buffer: Summed): PendingCollective {
    const phase = this.#phases.enter(PHASE.waiting);
    const started = performance.now();
    const pending = this.#inner.startAllReduceSum(buffer);
    this.#phases.enter(phase);
    const part = Math.ceil(buffer.length / this.size) * bytesEach(buffer);
    return this.#started(this.record.allReduce, started, pending, 2 * (this.size - 1) * part);
  }

  broadcast(buffer: Summed, root: number): void {
    const phase = this.#phases.enter(PHASE.waiting);
    const started = performance.now();
    this.#inner.broadcast(buffer, root);
    this.#phases.enter(phase);
    const own = root === this.rank;
    const sentBytes = own ? (this.size - 1) * byteLength(buffer) : 0;
    count(this.record.broadcast, sentBytes, own ? 0 : byteLength(buffer), started);
  }

  barrier(): void {
    const phase = this.#phases.enter(PHASE.waiting);
    const started = performance.now();
    this.#inner.barrier();
    this.#phases.enter(phase);
    count(this.record.barrier, 0, 0, started);
  }

  progress(): void {
    const oldest = this.#underWay[0];
    if (oldest === undefined) return;
    const phase = this.#phases.enter(PHASE.waiting);
    const started = performance.now();
    this.#inner.progress();
    oldest.addProgress((performance.now() - started) / 1000);
    this.#phases.enter(phase);
  }

  split(color: number): RecordingTransport {
    return new RecordingTransport(this.#inner.split(color), this.#phases, { hides: this.#hides });
  }
  abort(cause: string): void {
    this.#inner.abort(cause);
  }
  close(): void {
    this.#inner.close();
  }

  #started(
    counts: CollectiveRecord,
    started: number,
    pending: PendingCollective,
    bytes: number,
  ): PendingCollective {
    const handle = this.#free.pop() ?? new RecordedCollective(this.#done, this.#phases);
    count(counts, bytes, bytes, started);
    handle.begin(counts, pending);
    if (this.#hides) this.#phases.countUnderWay(1);
    this.#underWay.push(handle);
    return handle;
  }

  readonly #done = (handle: RecordedCollective): void => {
    this.#underWay.splice(this.#underWay.indexOf(handle), 1);
    this.#free.push(handle);
    if (this.#hides) this.#phases.countUnderWay(-1);
  };
}

/** A handle that times its wait, and is free again after it. */
class RecordedCollective implements PendingCollective {
  readonly #done: (handle: RecordedCollective) => void;
  readonly #phases: PhaseClock;
  #counts: CollectiveRecord = none();
  #pending: PendingCollective | null = null;
  #postedAt = 0;
  #progressS = 0;

  constructor(done: (handle: RecordedCollective) => void, phases: PhaseClock) {
    this.#done = done;
    this.#phases = phases;
  }

  begin(counts: CollectiveRecord, pending: PendingCollective): void {
    this.#counts = counts;
    this.#pending = pending;
    this.#progressS = 0;
    this.#postedAt = performance.now();
  }

  addProgress(elapsedS: number): void {
    this.#counts.exposedS += elapsedS;
    this.#progressS += elapsedS;
  }

  wait(): void {
    if (this.#pending === null) return;
    const phase = this.#phases.enter(PHASE.waiting);
    const started = performance.now();
    this.#counts.postedS += (started - this.#postedAt) / 1000 - this.#progressS;
    this.#pending.wait();
    this.#counts.exposedS += (performance.now() - started) / 1000;
    this.#pending = null;
    this.#done(this);
    this.#phases.enter(phase);
  }
}

/** All counts zero. */
export function emptyCommunicationRecord(): CommunicationRecord {
  return {
    allGather: none(),
    allToAll: none(),
    reduceScatter: none(),
    allReduce: none(),
    broadcast: none(),
    barrier: none(),
  };
}

function none(): CollectiveRecord {
  return { calls: 0, sentBytes: 0, receivedBytes: 0, postedS: 0, exposedS: 0 };
}

function count(
  counts: CollectiveRecord,
  sentBytes: number,
  receivedBytes: number,
  started: number,
): void {
  counts.calls++;
  counts.sentBytes += sentBytes;
  counts.receivedBytes += receivedBytes;
  counts.exposedS += (performance.now() - started) / 1000;
}
