import { causeText, type TransferredError } from '../error-transfer.js';
import type { MpiLink } from './link.js';

const ENDED = 1;
const WAITING = 2;
const LEFT = 3;

/** Int32 words of a message before its text: what, who, number of a collective, bytes of text. */
const HEAD_WORDS = 4;
const TEXT_CAPACITY_BYTES = 4000;
const MESSAGE_BYTES = 4 * HEAD_WORDS + TEXT_CAPACITY_BYTES;
const TAG = 1;
const LOOK_INTERVAL_MS = 20;

/** Who ended the group, and why. */
export interface GroupEnd {
  readonly origin: number;
  readonly error: TransferredError;
}

interface Outgoing {
  readonly request: number;
  readonly words: Int32Array;
  readonly requests: ArrayBuffer;
}

/**
 * What ranks tell one another outside collectives, by small messages: that the group has ended and
 * why, in which collective they wait, and that they have left. One receive is always open.
 */
export class ControlChannel {
  /** Set by the first cause that this rank gives or hears of. */
  end: GroupEnd | null = null;
  /** By rank, the last collective that it said to wait in; −1: none. */
  readonly waitsIn: Int32Array;
  /** By rank, when it was last heard to say so. */
  readonly heardMs: Float64Array;
  /** By rank, the collective that would have been its next when it left; −1: it has not. */
  readonly leftBefore: Int32Array;
  /** Whether somebody has said to wait since this was set to false. */
  heardWaiting = false;

  readonly #link: MpiLink;
  readonly #comm: number;
  readonly #incoming = new Int32Array(MESSAGE_BYTES / 4);
  readonly #request = new ArrayBuffer(64);
  readonly #requestAddress: number;
  #listening = false;
  #outgoing: Outgoing[] = [];
  #lookedMs = Number.NEGATIVE_INFINITY;

  constructor(link: MpiLink) {
    this.#link = link;
    this.#comm = link.duplicate();
    this.waitsIn = new Int32Array(link.size).fill(-1);
    this.heardMs = new Float64Array(link.size);
    this.leftBefore = new Int32Array(link.size).fill(-1);
    this.#requestAddress = link.addresses.of(new Uint8Array(this.#request));
    this.#listen();
  }

  /** Ends the group with this cause, unless it has one. @returns whether it is the first here */
  endGroup(error: TransferredError): boolean {
    if (this.end !== null) return false;
    this.end = { origin: this.#link.rank, error };
    // Cut, so that it stays JSON of the capacity at whatever text.
    const { name } = error;
    const message = error.message.slice(0, 700);
    const stack = error.stack.slice(0, 500);
    this.#tellAll(ENDED, 0, JSON.stringify({ name, message, stack }));
    return true;
  }

  /** Says in which collective this rank waits. */
  tellWaiting(sequence: number): void {
    this.#tellAll(WAITING, sequence, '');
  }

  /** Says that this rank takes part in no collective from this number on. */
  tellLeft(next: number): void {
    this.leftBefore[this.#link.rank] = next;
    this.#tellAll(LEFT, next, '');
  }

  get allHaveLeft(): boolean {
    return this.leftBefore.every((next) => next >= 0);
  }
  get allIsSent(): boolean {
    return this.#outgoing.length === 0;
  }

  /** Looks for messages, if it is some time since the last look. */
  lookSometimes(): void {
    if (performance.now() - this.#lookedMs < LOOK_INTERVAL_MS) return;
    // What came in meanwhile may take the library some calls to find.
    for (let i = 0; i < 10; i++) this.look();
  }

  look(): void {
    this.#lookedMs = performance.now();
    this.#outgoing = this.#outgoing.filter(({ request }) => !this.#link.test('control', request));
    while (this.#listening && this.#link.test('control', this.#requestAddress)) {
      this.#listening = false;
      this.#hear();
      // An open receive would be left over when MPI ends.
      const others = this.leftBefore.filter((next, rank) => next < 0 && rank !== this.#link.rank);
      if (others.length > 0) this.#listen();
    }
  }

  #listen(): void {
    const { mpi, addresses, size } = this.#link;
    if (size === 1) return;
    const { byte, anySource } = mpi.constants;
    const to = addresses.of(this.#incoming);
    const request = this.#requestAddress;
    this.#link.check(
      'control',
      mpi.irecv(to, MESSAGE_BYTES, byte, anySource, TAG, this.#comm, request),
    );
    this.#listening = true;
  }

  #hear(): void {
    const [what, source = 0, sequence = 0, textBytes = 0] = this.#incoming;
    if (what === WAITING) {
      this.waitsIn[source] = sequence;
      this.heardMs[source] = performance.now();
      this.heardWaiting = true;
    } else if (what === LEFT) this.leftBefore[source] = sequence;
    else if (what === ENDED) {
      const text = new Uint8Array(this.#incoming.buffer, 4 * HEAD_WORDS, textBytes);
      const error = JSON.parse(new TextDecoder().decode(text)) as TransferredError;
      this.end ??= { origin: source, error };
    }
  }

  #tellAll(what: number, sequence: number, text: string): void {
    const { mpi, addresses, rank, size } = this.#link;
    const words = new Int32Array(MESSAGE_BYTES / 4);
    const bytes = new Uint8Array(words.buffer, 4 * HEAD_WORDS);
    const { written } = new TextEncoder().encodeInto(text, bytes);
    words.set([what, rank, sequence, written]);
    const length = 4 * HEAD_WORDS + written;
    const requests = new ArrayBuffer(Math.max(64, 8 * size));
    const first = addresses.of(new Uint8Array(requests));
    for (let peer = 0; peer < size; peer++) {
      if (peer === rank) continue;
      const request = first + 8 * peer;
      mpi.isend(addresses.of(words), length, mpi.constants.byte, peer, TAG, this.#comm, request);
      this.#outgoing.push({ request, words, requests });
    }
  }
}

/** Why a group ended, for the ranks that did not end it. */
export function endText({ origin, error }: GroupEnd): string {
  return `rank ${origin} ended the group: ${causeText(error)}`;
}
