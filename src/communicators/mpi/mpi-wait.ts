import { LOOK_MS, SLEEP_AFTER_MS, sleepBriefly, SPINS } from '../../base/waits.js';
import { type Call, rankNames } from '../call.js';
import type { ControlChannel } from './control-channel.js';
import type { MpiLink } from './link.js';
import type { MpiCollective } from './mpi-collective.js';

/** Tests before a wait gives its core away, with more ranks than cores: others need it at once. */
const SPINS_OVERSUBSCRIBED = 4;
/** A wait tells the others of itself after this, or a quarter of the timeout if that is less, and
 * again after every quarter. */
const TELL_AFTER_MS = 250;

/** What a wait asks of the group. */
export interface WaitingGroup {
  /** Lets messages go out and come in. */
  look(): void;
  /** @throws CollectiveError when the group has ended */
  check(call: Call): void;
  /** Ends the group with this, unless it has another cause, and throws. */
  fail(call: Call, what: string): never;
}

/** How long a rank waits. */
export interface WaitLimits {
  /** For the other ranks; 0: without end. */
  readonly timeoutS: number;
  /** Whether ranks share cores. */
  readonly oversubscribed: boolean;
}

/**
 * A rank's waits: it tests and never blocks in MPI, so that it sees messages and the timeout, and names the
 * ranks that are missing.
 */
export class MpiWait {
  readonly #link: MpiLink;
  readonly #control: ControlChannel;
  readonly #group: WaitingGroup;
  readonly #timeoutMs: number;
  readonly #spins: number;

  constructor(
    link: MpiLink,
    control: ControlChannel,
    { timeoutS, oversubscribed }: WaitLimits,
    group: WaitingGroup,
  ) {
    this.#link = link;
    this.#control = control;
    this.#group = group;
    this.#timeoutMs = 1000 * timeoutS;
    this.#spins = oversubscribed ? SPINS_OVERSUBSCRIBED : SPINS;
  }

  /** Waits until what is under way is done. @throws CollectiveError */
  done(operation: MpiCollective): void {
    const { request } = operation;
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
      this.#group.look();
      this.#group.check(operation.call);
      const waitedMs = now - started;
      if (now > tellAtMs || (!told && control.heardWaiting)) {
        control.tellWaiting(operation.sequence);
        control.heardWaiting = false;
        told = true;
        tellAtMs = now + Math.max(TELL_AFTER_MS, this.#timeoutMs / 4);
      }
      if (waitedMs > SLEEP_AFTER_MS) this.#checkMissing(operation, started);
      if (waitedMs > SLEEP_AFTER_MS) sleepBriefly();
    }
  }

  get #tellAfterMs(): number {
    return this.#timeoutMs > 0 ? Math.min(TELL_AFTER_MS, this.#timeoutMs / 4) : TELL_AFTER_MS;
  }

  #checkMissing(operation: MpiCollective, startedMs: number): void {
    const { leftBefore, waitsIn, heardMs } = this.#control;
    const waitedMs = performance.now() - startedMs;
    const gone = leftBefore.findIndex((next) => next >= 0 && next <= operation.sequence);
    if (gone >= 0 && !this.#link.test(operation.call, operation.request)) {
      this.#group.fail(
        operation.call,
        `rank ${this.#link.rank} waits for rank ${gone}, which has left the group; every rank must ` +
          'make the same calls',
      );
    }
    if (this.#timeoutMs === 0 || waitedMs < this.#timeoutMs) return;
    const missing = [...waitsIn.keys()].filter(
      (rank) => rank !== this.#link.rank && (waitsIn[rank] ?? -1) < operation.sequence,
    );
    // Who has told since that it waits, in an earlier call, is held up by another rank. Who was in
    // this call and tells no more has stopped in it.
    const quiet = (rank: number, sinceMs: number) => (heardMs[rank] ?? 0) < sinceMs;
    const silent = missing.filter((rank) => quiet(rank, startedMs));
    const stopped = [...waitsIn.keys()].filter(
      (rank) => rank !== this.#link.rank && quiet(rank, performance.now() - this.#timeoutMs / 2),
    );
    const named = [silent, stopped, missing].find((ranks) => ranks.length > 0) ?? [];
    const whom =
      named.length > 0 ? rankNames(named) : 'MPI: every rank has called it, so look at the network';
    this.#group.fail(
      operation.call,
      `rank ${this.#link.rank} waited ${(waitedMs / 1000).toFixed(1)} s for ${whom} (of ${this.#link.size}); ` +
        'look there for a rank that is stuck or made fewer calls, or raise the timeout if it has ' +
        'that much to do',
    );
  }
}
