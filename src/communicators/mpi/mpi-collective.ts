import { HostCollective } from '../host-transport.js';
import type { MpiLink } from './link.js';

/** Bytes that each rank says of a collective: four words, and a payload that is tiny. */
export const HEADER_BYTES = 64;
export const INLINE_BYTES = HEADER_BYTES - 16;
const HEADER_WORDS = HEADER_BYTES / 4;

/** A started collective and its native memory. */
export class MpiCollective extends HostCollective {
  readonly place: number;
  sequence = 0;
  /** Whether the payload is in the headers. */
  inline = false;
  completed = true;
  /** What is under way: everybody's headers, the payload, the second half of an all-reduce. */
  stage: 'headers' | 'payload' | 'second half' = 'headers';
  /** Start of the region where parts of a sum arrive. */
  staged = 0;

  readonly headerRequest: number;
  readonly payloadRequest: number;
  readonly ownHeader: Uint8Array;
  /** [size, HEADER_BYTES] */
  readonly headers: Uint8Array;
  readonly counts: Int32Array;
  readonly offsets: Int32Array;
  readonly partCounts: Int32Array;
  readonly partOffsets: Int32Array;
  readonly addresses: Readonly<
    Record<'ownHeader' | 'headers' | 'counts' | 'offsets' | 'partCounts' | 'partOffsets', number>
  >;
  readonly #requests: Uint8Array;
  readonly #ownWords: Int32Array;
  readonly #words: Int32Array;
  readonly #size: number;
  readonly #finish: (operation: MpiCollective) => void;

  constructor(place: number, { addresses, size }: MpiLink, finish: (one: MpiCollective) => void) {
    super();
    this.place = place;
    this.#size = size;
    this.#finish = finish;
    this.#requests = new Uint8Array(new ArrayBuffer(128));
    this.headerRequest = addresses.of(this.#requests);
    this.payloadRequest = this.headerRequest + 64;
    this.ownHeader = new Uint8Array(new ArrayBuffer(HEADER_BYTES));
    this.headers = new Uint8Array(new ArrayBuffer(HEADER_BYTES * size));
    this.#ownWords = new Int32Array(this.ownHeader.buffer);
    this.#words = new Int32Array(this.headers.buffer);
    this.counts = new Int32Array(size + 16);
    this.offsets = new Int32Array(size + 16);
    this.partCounts = new Int32Array(size + 16);
    this.partOffsets = new Int32Array(size + 16);
    this.addresses = {
      ownHeader: addresses.of(this.ownHeader),
      headers: addresses.of(this.headers),
      counts: addresses.of(this.counts),
      offsets: addresses.of(this.offsets),
      partCounts: addresses.of(this.partCounts),
      partOffsets: addresses.of(this.partOffsets),
    };
  }

  /** Address of the request of what is under way. */
  get request(): number {
    return this.stage === 'headers' ? this.headerRequest : this.payloadRequest;
  }

  sign(): void {
    this.#ownWords[0] = this.sequence;
    this.#ownWords[1] = this.code;
    this.#ownWords[2] = this.length;
  }

  /** The first rank that called something else; −1: none. */
  firstUnequal(): number {
    const words = this.#words;
    for (let rank = 0; rank < this.#size; rank++) {
      const at = rank * HEADER_WORDS;
      const equal =
        words[at] === this.sequence && words[at + 1] === this.code && words[at + 2] === this.length;
      if (!equal) return rank;
    }
    return -1;
  }
  /** What a rank called: code and length. */
  signatureOf(rank: number): [number, number] {
    const at = rank * HEADER_WORDS;
    return [this.#words[at + 1] ?? 0, this.#words[at + 2] ?? 0];
  }

  wait(): void {
    this.#finish(this);
  }
}
