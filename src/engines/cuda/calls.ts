import { NativeError } from '../../base/errors.js';
import type { Device } from './device.js';

/** Does the call whose words begin at `at`. */
type Run = (words: Uint32Array, at: number) => void;

interface Kind {
  /** Of the calls that a segment has, 1; an event among them is none. */
  readonly weight: 0 | 1;
  /** Of a call, its first word included, which is the number of its kind. */
  readonly words: number;
  readonly run: Run;
}

/** Calls that come one after another; the host waits or copies before the first and after the last, or
 * there are as many as go into one. */
interface Segment {
  readonly words: Uint32Array;
  readonly calls: number;
  /** What does them at once; 0: they have come once. */
  graph: number;
}

/** What makes calls, one by one or by a graph. */
export type CallTarget = Pick<
  Device,
  'capture' | 'copy' | 'destroyGraph' | 'fill' | 'launchGraph' | 'record'
>;

/** Calls of a segment, at most: the device has the first ones while the host makes up the next. */
const MOST_CALLS = 64;
/** Of segments that are remembered, at most; beyond it those that were used last stay. */
const MOST_REMEMBERED = 2 ** 22;
/** A graph of fewer calls is no faster than they are. */
const FEWEST_CALLS = 2;
const [FILL, COPY, RECORD] = [0, 1, 2];
const HIGH = 2 ** 32;

/** How calls have reached the device. */
export interface CallCounts {
  /** One by one. */
  single: number;
  /** In graphs. */
  replayed: number;
  /** Graphs that were made. */
  captured: number;
}

/**
 * The calls of an engine, put off until there are 64, or the host waits for something, or copies: a segment. A
 * segment that has come before with the same arguments, word by word, is captured in a CUDA graph when it comes
 * for the second time, and the graph is launched in its place from then on. All others are made one
 * by one. So a graph does what its calls would. Who has a call whose arguments are others in every step
 * makes it with `alone`: segments end there. Without graphs a call is made when the next one comes.
 *
 * A graph that the driver cannot make or launch has done none of its calls: they are made one by one, a warning
 * says so, and there are no graphs from then on.
 */
export class Calls {
  readonly counts: CallCounts = { single: 0, replayed: 0, captured: 0 };
  readonly #device: CallTarget;
  readonly #onWarning: (message: string) => void;
  #inGraphs: boolean;
  readonly #kinds: Kind[] = [];
  #words = new Uint32Array(2 ** 12);
  #length = 0;
  /** Where the last call that is put off begins. */
  #last = 0;
  #calls = 0;
  /** By hash, those first that were used longest ago. */
  readonly #segments = new Map<number, Segment>();
  #remembered = 0;

  /** @param inGraphs else every call is made by itself, when the next one comes */
  constructor(
    device: CallTarget,
    inGraphs: boolean,
    onWarning: (message: string) => void = (message) => process.emitWarning(message),
  ) {
    this.#device = device;
    this.#onWarning = onWarning;
    this.#inGraphs = inGraphs;
    this.kind(6, (words, at) =>
      device.fill(addressAt(words, at + 1), words[at + 5] ?? 0, addressAt(words, at + 3)),
    );
    this.kind(7, (words, at) =>
      device.copy(addressAt(words, at + 1), addressAt(words, at + 3), addressAt(words, at + 5)),
    );
    this.kind(3, (words, at) => device.record(addressAt(words, at + 1)), 0);
  }

  /** What a kind of call is. @param words of a call, with one for its kind. @returns its number */
  kind(words: number, run: Run, weight: 0 | 1 = 1): number {
    return this.#kinds.push({ words, run, weight }) - 1;
  }
  /** Puts off a call. @returns where its words go, in `words` */
  add(kind: number): number {
    const { words: size, weight } = this.#kinds[kind] as Kind;
    if (weight === 1 && this.#calls >= (this.#inGraphs ? MOST_CALLS : 1)) this.submit();
    if (this.#length + size > this.#words.length) {
      const more = new Uint32Array(2 * this.#words.length);
      more.set(this.#words);
      this.#words = more;
    }
    const at = (this.#last = this.#length);
    this.#words[at] = kind;
    this.#length += size;
    this.#calls += weight;
    return at;
  }
  /** Of calls that are put off; another array after `add`. */
  get words(): Uint32Array {
    return this.#words;
  }
  /** Writes an address, or a number below 2^53, in two words. */
  place(at: number, value: number): void {
    this.#words[at] = value >>> 0;
    this.#words[at + 1] = Math.floor(value / HIGH);
  }

  /** Words of 32 bits. */
  fill(address: number, word: number, count: number): void {
    const at = this.add(FILL);
    this.place(at + 1, address);
    this.place(at + 3, count);
    this.#words[at + 5] = word;
  }
  copy(from: number, to: number, bytes: number): void {
    const at = this.add(COPY);
    this.place(at + 1, from);
    this.place(at + 3, to);
    this.place(at + 5, bytes);
  }

  /** A timed event comes when the device has done the calls before. */
  record(event: number): void {
    this.place(this.add(RECORD) + 1, event);
  }

  /** Whether this event is the last of what is put off. */
  endsWith(event: number): boolean {
    const [words, at] = [this.#words, this.#last];
    return this.#length > 0 && words[at] === RECORD && addressAt(words, at + 1) === event;
  }

  /** Makes what `add` puts off, by itself: its arguments are others the next time. */
  alone(add: () => void): void {
    this.submit();
    add();
    this.#runAll();
  }

  /** Has the device do all calls up to here. */
  submit(): void {
    if (this.#length === 0) return;
    if (!this.#inGraphs || this.#calls < FEWEST_CALLS) {
      this.#runAll();
      return;
    }
    const hash = hashOf(this.#words, this.#length);
    const segment = this.#segments.get(hash);
    if (segment === undefined || !isSame(segment.words, this.#words, this.#length)) {
      this.#remember(hash);
      this.#runAll();
      return;
    }
    this.#segments.delete(hash);
    this.#segments.set(hash, segment);
    this.#length = this.#calls = 0;
    try {
      if (segment.graph === 0) {
        segment.graph = this.#device.capture(() => this.#run(segment.words));
        this.counts.captured++;
      }
      this.#device.launchGraph(segment.graph);
      this.counts.replayed += segment.calls;
    } catch (error) {
      if (!(error instanceof NativeError)) throw error;
      this.#goOnWithout(segment, error);
    }
  }

  /** What is wrong with more than graphs ends the calls as well. */
  #goOnWithout({ words, calls }: Segment, { message }: NativeError): void {
    this.#run(words);
    this.counts.single += calls;
    this.#inGraphs = false;
    this.#onWarning(`${message}; this engine goes on without graphs, which is slower`);
    for (const hash of this.#segments.keys()) this.#forget(hash);
  }

  /** Makes the calls one by one; those after one that fails are forgotten. */
  #runAll(): void {
    const length = this.#length;
    this.counts.single += this.#calls;
    this.#length = this.#calls = 0;
    this.#run(this.#words, length);
  }

  #run(words: Uint32Array, length = words.length): void {
    for (let at = 0; at < length;) {
      const kind = this.#kinds[words[at] ?? 0] as Kind;
      kind.run(words, at);
      at += kind.words;
    }
  }

  #remember(hash: number): void {
    // Another segment of this hash gives way.
    this.#forget(hash);
    while (this.#segments.size > 0 && this.#remembered + this.#length > MOST_REMEMBERED) {
      const [oldest = 0] = this.#segments.keys();
      this.#forget(oldest);
    }
    const words = this.#words.slice(0, this.#length);
    this.#remembered += words.length;
    this.#segments.set(hash, { words, calls: this.#calls, graph: 0 });
  }
  #forget(hash: number): void {
    const segment = this.#segments.get(hash);
    if (segment === undefined) return;
    if (segment.graph !== 0) this.#device.destroyGraph(segment.graph);
    this.#remembered -= segment.words.length;
    this.#segments.delete(hash);
  }
}

/** What `Calls.place` has written. */
export function addressAt(words: Uint32Array, at: number): number {
  return (words[at + 1] ?? 0) * HIGH + (words[at] ?? 0);
}

/** FNV-1a, of words in the place of bytes. */
function hashOf(words: Uint32Array, length: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < length; i++) hash = Math.imul(hash ^ (words[i] ?? 0), 0x01000193);
  return hash;
}

function isSame(known: Uint32Array, words: Uint32Array, length: number): boolean {
  if (known.length !== length) return false;
  for (let i = 0; i < length; i++) if (known[i] !== words[i]) return false;
  return true;
}
