import { CollectiveError } from '../base/errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { type Call, encodeCall, shardLength } from './call.js';
import type {
  Moved,
  MovedPayload,
  Payload,
  PendingCollective,
  Summed,
  Transport,
} from './communicator.js';
import { hostOf } from './operands.js';

/** Collectives that a rank may have started and not waited for, on transports between hosts. */
export const IN_FLIGHT = 4;

/** What a collective carries, in host memory. */
export type HostPayload = Payload | MovedPayload;

const EMPTY = new Float32Array(0);

/** A started collective of host arrays; reused, so that none is made while a program runs. */
export abstract class HostCollective implements PendingCollective {
  call: Call = 'barrier';
  code = 0;
  send: HostPayload = EMPTY;
  receive: HostPayload = EMPTY;
  root = 0;
  /** Elements of the payload, of one shard for all-gather, all-to-all and reduce-scatter. */
  length = 0;
  /** Started, and not waited for. */
  busy = false;

  abstract wait(): void;
}

/**
 * What transports over host memory have in common: each start takes a handle that is free, and a
 * transport says in `begin` how its collective gets under way. A call that blocks is a start and a wait
 * with a handle of its own, so that it never lacks one.
 */
export abstract class HostTransport<C extends HostCollective> implements Transport {
  abstract readonly name: string;
  abstract readonly description: string;
  abstract readonly needsProgress: boolean;
  readonly rank: number;
  readonly size: number;
  readonly maxInFlight = IN_FLIGHT;
  /** Whether the rank has left the group. */
  protected closed = false;
  /** `IN_FLIGHT` handles for started collectives, and one more for calls that block. */
  protected abstract readonly collectives: readonly C[];

  constructor(rank: number, size: number) {
    this.rank = rank;
    this.size = size;
  }

  startAllGather(send: Moved, receive: Moved): PendingCollective {
    return this.#start('all-gather', hostOf(send), hostOf(receive));
  }
  startAllToAll(send: Moved, receive: Moved): PendingCollective {
    return this.#start('all-to-all', hostOf(send), hostOf(receive));
  }
  startReduceScatterSum(
    send: Float32Array | Tensor,
    receive: Float32Array | Tensor,
  ): PendingCollective {
    return this.#start('reduce-scatter', hostOf(send), hostOf(receive));
  }
  startAllReduceSum(buffer: Summed): PendingCollective {
    const host = hostOf(buffer);
    return this.#start('all-reduce', host, host);
  }
  broadcast(buffer: Summed, root: number): void {
    this.#block('broadcast', hostOf(buffer), root);
  }
  barrier(): void {
    this.#block('barrier', EMPTY, 0);
  }

  abstract progress(): void;
  abstract split(color: number): Transport;
  abstract abort(cause: string): void;
  abstract close(): void;

  /** Looks whether the group goes on, before a collective begins. @throws CollectiveError where not */
  protected abstract check(call: Call): void;
  /** Gets a collective under way, whose call, payload, length and code are set. */
  protected abstract begin(collective: C): void;

  #start(call: Call, send: HostPayload, receive: HostPayload): PendingCollective {
    return this.#prepare(this.#free(call), call, send, receive);
  }

  #block(call: Call, buffer: Payload, root: number): void {
    const blocking = this.collectives[IN_FLIGHT] as C;
    blocking.root = root;
    this.#prepare(blocking, call, buffer, buffer).wait();
  }

  #free(call: Call): C {
    for (let i = 0; i < IN_FLIGHT; i++) {
      const collective = this.collectives[i] as C;
      if (!collective.busy) return collective;
    }
    throw new CollectiveError(
      call,
      `rank ${this.rank} has ${IN_FLIGHT} collectives started and not waited for; wait for one ` +
        'of them first',
    );
  }

  #prepare(collective: C, call: Call, send: HostPayload, receive: HostPayload): C {
    if (this.closed) throw new CollectiveError(call, `rank ${this.rank} has left the group`);
    this.check(call);
    collective.call = call;
    collective.code = encodeCall(call, send.BYTES_PER_ELEMENT, collective.root);
    collective.send = send;
    collective.receive = receive;
    collective.length = shardLength(call, send, receive, this.size);
    collective.busy = true;
    this.begin(collective);
    return collective;
  }
}
