import { CollectiveError } from '../../base/errors.js';
import { plural } from '../../base/format.js';
import type { WasmModule } from '../../base/web-assembly.js';
import { type Call, describeCall } from '../call.js';
import type { TransferredError } from '../error-transfer.js';
import { HostTransport, IN_FLIGHT } from '../host-transport.js';
import { ControlChannel, endText, type GroupEnd } from './control-channel.js';
import type { MpiLink } from './link.js';
import { MpiCollective } from './mpi-collective.js';
import { MpiPayloads } from './mpi-payloads.js';
import { MpiWait, type WaitLimits } from './mpi-wait.js';

/** Tests of one `progress`: each lets the library move about one message. */
const TESTS = 4;

/** What a rank waits in: a call, or for its device. */
type Waiting = Call | 'device';

/** How an MPI transport waits and sums. */
export interface MpiTransportOptions extends WaitLimits {
  /** As for threads: exports `add`; null: sums in JavaScript, with the same bits. */
  readonly kernels: WasmModule | null;
}

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
export class MpiTransport extends HostTransport<MpiCollective> {
  readonly name = 'mpi';
  readonly description: string;
  readonly needsProgress: boolean;

  readonly #link: MpiLink;
  readonly #control: ControlChannel;
  readonly #payloads: MpiPayloads;
  readonly #wait: MpiWait;
  protected readonly collectives: readonly MpiCollective[];
  /** Started and not completed, the oldest first. */
  readonly #queue: MpiCollective[] = [];
  readonly #options: MpiTransportOptions;
  /** The group that this one is a part of; they end together. */
  readonly #whole: MpiTransport | null;
  readonly #parts: MpiTransport[] = [];
  #sequence = 0;

  constructor(link: MpiLink, options: MpiTransportOptions, whole: MpiTransport | null = null) {
    super(link.rank, link.size);
    this.#options = options;
    this.#whole = whole;
    this.needsProgress = link.size > 1;
    this.description = `${plural(link.size, 'process', 'processes')}, ${link.mpi.description}`;
    this.#link = link;
    this.#control = new ControlChannel(link);
    this.#payloads = new MpiPayloads(link, IN_FLIGHT + 1, options.kernels);
    this.#wait = new MpiWait(link, this.#control, options, {
      look: () => this.look(),
      check: (call) => this.#checkEnd(call),
      fail: (call, what) => this.#fail(call, what),
    });
    const finish = (operation: MpiCollective): void => this.#finish(operation);
    this.collectives = Array.from(
      { length: IN_FLIGHT + 1 },
      (_, place) => new MpiCollective(place, link, finish),
    );
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
    if (this.closed) return;
    this.closed = true;
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
      this.#checkEnd('barrier');
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

  /** To be called while the rank waits for its device, which waits for others. @param waitedMs so far
   * @throws CollectiveError when the group has ended, or the wait is longer than that for a rank may be */
  hear(waitedMs: number): void {
    this.check('device');
    const { timeoutS } = this.#options;
    if (timeoutS === 0 || waitedMs < 1000 * timeoutS) return;
    this.#fail(
      'device',
      `rank ${this.rank} waited ${(waitedMs / 1000).toFixed(1)} s for its device, which exchanges with others: one of ` +
        'them, or what is between them, stands still; look with NCCL_DEBUG=INFO and nvidia-smi, or raise the ' +
        'timeout if a step takes that long',
    );
  }

  protected begin(operation: MpiCollective): void {
    operation.sequence = this.#sequence;
    operation.completed = false;
    operation.stage = 'headers';
    this.#sequence = (this.#sequence + 1) & 0x7fffffff;
    this.#payloads.start(operation);
    this.#queue.push(operation);
  }

  #finish(operation: MpiCollective): void {
    while (!operation.completed) {
      const oldest = this.#queue[0] as MpiCollective;
      this.#wait.done(oldest);
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

  protected check(call: Waiting): void {
    this.#control.lookSometimes();
    this.#whole?.lookSometimes();
    this.#checkEnd(call);
  }

  /** @throws CollectiveError when the group has ended */
  #checkEnd(call: Waiting): void {
    const { end } = this;
    if (end === null) return;
    throw new CollectiveError(call, `rank ${this.rank}: ${endText(end)}`);
  }

  /** Ends the group with this, unless it has another cause, and throws. */
  #fail(call: Waiting, what: string): never {
    const error = new CollectiveError(call, what);
    this.look();
    this.#checkEnd(call);
    this.abort(error.message);
    throw error;
  }
}
