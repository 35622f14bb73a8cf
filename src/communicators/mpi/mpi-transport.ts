import { CollectiveError } from '../../base/errors.js';
import { plural } from '../../base/format.js';
import type { WasmModule } from '../../base/web-assembly.js';
import { type Call, describeCall, encodeCall, rankNames, shardLength } from '../call.js';
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
import type { TransferredError } from '../error-transfer.js';
import { ControlChannel, endText, type GroupEnd } from './control-channel.js';
import type { MpiLink } from './link.js';
import { MpiCollective } from './mpi-collective.js';
import { MpiPayloads } from './mpi-payloads.js';

/** Collectives that may be started and not waited for; one more place is for calls that block. */
const IN_FLIGHT = 4;
const PLACES = IN_FLIGHT + 1;

/** Tests of one `progress`: each lets the library move about one message. */
const TESTS = 4;
/** Tests before a wait gives its core away; with more ranks than cores others need it at once. */
const SPINS = 2000;
const SPINS_OVERSUBSCRIBED = 4;
/** A wait that has lasted this long sleeps between tests. */
const SLEEP_AFTER_MS = 20;
const SLEEP_MS = 0.2;
/** How often a long wait reads messages. */
const LOOK_MS = 1;
/** A wait tells the others of itself after this, or a quarter of the timeout if that is less, and
 * again after every quarter. */
const TELL_AFTER_MS = 250;

export interface MpiTransportOptions {
  /** Longest wait for the other ranks; 0: none. */
  readonly timeoutS: number;
  /** As for threads: exports `add`; null: sums in JavaScript, with the same bits. */
  readonly kernels: WasmModule | null;
  /** Whether ranks share cores. */
  readonly oversubscribed: boolean;
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/**
 * Collectives over MPI, in the one thread that has started it.
 *
 * A collective is an all-gather of headers — number, call and length of each rank, and the payload
 * itself where it is tiny — and beside it, under way at the same time, what moves the payload (see
 * `MpiPayloads`). So unequal calls are found before their result is used, at the price of a small
 * message. Sums are made here, by the fixed tree, never by MPI: its order depends on the library.
 *
 * Collectives are completed in the order of the starts, whatever the order of the waits, because
 * all ranks must start the second halves of all-reduces in one order.
 */
export class MpiTransport implements Transport {
  readonly name = 'mpi';
  readonly description: string;
  readonly rank: number;
  readonly size: number;
  readonly maxInFlight = IN_FLIGHT;
  readonly needsProgress: boolean;

  readonly #link: MpiLink;
  readonly #control: ControlChannel;
  readonly #payloads: MpiPayloads;
  readonly #timeoutMs: number;
  readonly #spins: number;
  readonly #operations: readonly MpiCollective[];
  /** Started and not completed, the oldest first. */
  readonly #queue: MpiCollective[] = [];
  readonly #options: MpiTransportOptions;
  /** The group that this one is a part of; they end together. */
  readonly #whole: MpiTransport | null;
  readonly #parts: MpiTransport[] = [];
  #sequence = 0;
  #closed = false;

  constructor(link: MpiLink, options: MpiTransportOptions, whole: MpiTransport | null = null) {
    this.#options = options;
    this.#whole = whole;
    this.rank = link.rank;
    this.size = link.size;
    this.needsProgress = link.size > 1;
    this.description = `${plural(link.size, 'process', 'processes')}, ${link.mpi.description}`;
    this.#link = link;
    this.#control = new ControlChannel(link);
    this.#payloads = new MpiPayloads(link, PLACES, options.kernels);
    this.#timeoutMs = 1000 * options.timeoutS;
    this.#spins = options.oversubscribed ? SPINS_OVERSUBSCRIBED : SPINS;
    const finish = (operation: MpiCollective): void => this.#finish(operation);
    this.#operations = Array.from(
      { length: PLACES },
      (_, place) => new MpiCollective(place, link, finish),
    );
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
    const operation = this.#blocking();
    operation.root = root;
    const host = hostOf(buffer);
    this.#start(operation, 'broadcast', host, host).wait();
    operation.root = 0;
  }
  barrier(): void {
    this.#start(this.#blocking(), 'barrier', EMPTY, EMPTY).wait();
  }

  /** MPI libraries move data while they are called, and at no other time. */
  progress(): void {
    for (let tests = TESTS; tests > 0; tests--) {
      const oldest = this.#queue[0];
      if (oldest === undefined) return;
      if (!this.#link.test(oldest.call, oldest.request)) continue;
      this.#goOn(oldest);
      if (oldest.completed) this.#queue.shift();
    }
  }

  abort(cause: string): void {
    this.fail({ name: 'CollectiveError', message: cause, stack: '' });
  }
  /** Ends the group with an error, as `abort`. */
  fail(error: TransferredError): void {
    if (this.#whole === null) this.#control.endGroup(error);
    else this.#whole.fail(error);
  }
  /** Why the group ended; null while it has not. */
  get end(): GroupEnd | null {
    return this.#whole === null ? this.#control.end : this.#whole.end;
  }

  split(color: number): MpiTransport {
    // Names ranks that call something else; the library would wait for them for ever.
    this.barrier();
    const part = new MpiTransport(this.#link.split(color), this.#options, this);
    this.#parts.push(part);
    return part;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#control.tellLeft(this.#sequence);
  }

  /** Ends MPI, when every rank has closed its transport and its parts; nothing may follow.
   * @throws CollectiveError when one of them ends the group instead */
  finalize(): void {
    this.#drain();
    this.#link.mpi.finalize();
  }

  /** Waits until all have left, the parts first: no message is under way then. */
  #drain(): void {
    for (const part of this.#parts) part.#drain();
    this.close();
    while (!this.#control.allHaveLeft || !this.#control.allIsSent) {
      this.look();
      this.#check('barrier');
      this.#link.yieldCore();
    }
  }

  /** Ends every process of the job, this one too. Meanwhile messages go out.
   * @param code exit code of the job, where the launcher passes it on */
  abortJob(code: number): void {
    this.#link.mpi.abort(this.#link.mpi.constants.world, code);
  }

  /** Lets messages go out and come in, outside any collective. */
  look(): void {
    this.#control.look();
    this.#whole?.look();
  }

  lookSometimes(): void {
    this.#control.lookSometimes();
  }

  #free(call: Call): MpiCollective {
    for (let i = 0; i < IN_FLIGHT; i++) {
      const operation = this.#operations[i] as MpiCollective;
      if (!operation.busy) return operation;
    }
    throw new CollectiveError(
      call,
      `rank ${this.rank} has ${IN_FLIGHT} collectives started and not waited for; wait for one ` +
        'of them first',
    );
  }
  #blocking(): MpiCollective {
    return this.#operations[IN_FLIGHT] as MpiCollective;
  }

  #start(
    operation: MpiCollective,
    call: Call,
    send: Payload | MovedPayload,
    receive: Payload | MovedPayload,
  ): PendingCollective {
    if (this.#closed) throw new CollectiveError(call, `rank ${this.rank} has left the group`);
    this.#control.lookSometimes();
    this.#whole?.lookSometimes();
    this.#check(call);
    operation.call = call;
    operation.code = encodeCall(call, send, operation.root);
    operation.send = send;
    operation.receive = receive;
    operation.length = shardLength(call, send, receive, this.size);
    operation.sequence = this.#sequence;
    operation.busy = true;
    operation.completed = false;
    operation.stage = 'headers';
    this.#sequence = (this.#sequence + 1) & 0x7fffffff;
    this.#payloads.start(operation);
    this.#queue.push(operation);
    return operation;
  }

  #finish(operation: MpiCollective): void {
    while (!operation.completed) {
      const oldest = this.#queue[0] as MpiCollective;
      this.#await(oldest, oldest.request);
      this.#goOn(oldest);
      if (oldest.completed) this.#queue.shift();
    }
    operation.busy = false;
  }

  /** Takes up what a collective's request has brought; starts what comes next, or completes. */
  #goOn(operation: MpiCollective): void {
    if (operation.stage === 'headers') {
      this.#compare(operation);
      if (!operation.inline) {
        operation.stage = 'payload';
        return;
      }
      this.#payloads.collectInline(operation);
    } else if (operation.stage === 'payload' && this.#payloads.collect(operation)) {
      operation.stage = 'second half';
      return;
    }
    operation.completed = true;
  }

  /** @throws CollectiveError when the ranks called different things; ends the group */
  #compare(operation: MpiCollective): void {
    const rank = operation.firstUnequal();
    if (rank < 0) return;
    const [code, length] = operation.signatureOf(rank);
    this.#fail(
      operation.call,
      `unequal calls: rank ${rank} called ${describeCall(code, length)}, rank ${this.rank} ` +
        `${describeCall(operation.code, operation.length)}; every rank must make the same calls ` +
        'with the same sizes',
    );
  }

  #await(operation: MpiCollective, request: number): void {
    for (let spin = this.#spins; spin > 0; spin--) {
      if (this.#link.test(operation.call, request)) return;
    }
    const control = this.#control;
    const started = performance.now();
    let looked = started;
    let tellAtMs = started + this.#tellAfterMs;
    let told = false;
    for (;;) {
      if (this.#link.test(operation.call, request)) return;
      this.#link.yieldCore();
      const now = performance.now();
      if (now - looked < LOOK_MS) continue;
      looked = now;
      this.look();
      this.#check(operation.call);
      const waitedMs = now - started;
      if (now > tellAtMs || (!told && control.heardWaiting)) {
        control.tellWaiting(operation.sequence);
        control.heardWaiting = false;
        told = true;
        tellAtMs = now + Math.max(TELL_AFTER_MS, this.#timeoutMs / 4);
      }
      if (waitedMs > SLEEP_AFTER_MS) this.#checkMissing(operation, request, started);
      if (waitedMs > SLEEP_AFTER_MS) Atomics.wait(sleeper, 0, 0, SLEEP_MS);
    }
  }

  get #tellAfterMs(): number {
    return this.#timeoutMs > 0 ? Math.min(TELL_AFTER_MS, this.#timeoutMs / 4) : TELL_AFTER_MS;
  }

  #checkMissing(operation: MpiCollective, request: number, startedMs: number): void {
    const { leftBefore, waitsIn, heardMs } = this.#control;
    const waitedMs = performance.now() - startedMs;
    const gone = leftBefore.findIndex((next) => next >= 0 && next <= operation.sequence);
    if (gone >= 0 && !this.#link.test(operation.call, request)) {
      this.#fail(
        operation.call,
        `rank ${this.rank} waits for rank ${gone}, which has left the group; every rank must ` +
          'make the same calls',
      );
    }
    if (this.#timeoutMs === 0 || waitedMs < this.#timeoutMs) return;
    const missing = [...waitsIn.keys()].filter(
      (rank) => rank !== this.rank && (waitsIn[rank] ?? -1) < operation.sequence,
    );
    // Who has told since that it waits, in an earlier call, is held up by another rank. Who was in
    // this call and tells no more has stopped in it.
    const quiet = (rank: number, sinceMs: number) => (heardMs[rank] ?? 0) < sinceMs;
    const silent = missing.filter((rank) => quiet(rank, startedMs));
    const stopped = [...waitsIn.keys()].filter(
      (rank) => rank !== this.rank && quiet(rank, performance.now() - this.#timeoutMs / 2),
    );
    const named = [silent, stopped, missing].find((ranks) => ranks.length > 0) ?? [];
    const whom =
      named.length > 0 ? rankNames(named) : 'MPI: every rank has called it, so look at the network';
    this.#fail(
      operation.call,
      `rank ${this.rank} waited ${(waitedMs / 1000).toFixed(1)} s for ${whom} (of ${this.size}); ` +
        'look there for a rank that is stuck or made fewer calls, or raise the timeout if it has ' +
        'that much to do',
    );
  }

  /** @throws CollectiveError when the group has ended */
  #check(call: Call): void {
    const { end } = this;
    if (end === null) return;
    throw new CollectiveError(call, `rank ${this.rank}: ${endText(end)}`);
  }

  /** Ends the group with this, unless it has another cause, and throws. */
  #fail(call: Call, what: string): never {
    const error = new CollectiveError(call, what);
    this.look();
    this.#check(call);
    this.abort(error.message);
    throw error;
  }
}

const EMPTY = new Float32Array(0);
