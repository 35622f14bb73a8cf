import type { MemoryLease } from './memory-budget.js';
import { NumberList, placeOf } from './number-list.js';
import { badRequest, type ProtocolError } from './protocol-error.js';

/** Bounds of everything but data: what a request says of itself is small. */
const MOST_DEPTH = 16;
const MOST_VALUES = 10_000;
const MOST_TEXT_BYTES = 1 << 16;

/** A text without escapes, in letters of one byte. */
const PLAIN_TEXT = /^"[ !#-[\]-~]*"$/;

/** What may come next. */
type Expects = 'value' | 'value or ]' | 'key' | 'key or }' | 'colon' | 'comma' | 'end';

interface Container {
  readonly value: unknown[] | Record<string, unknown>;
  /** Of an object, whose value comes next; null: a list. */
  key: string | null;
}

/**
 * Reads the JSON of a request as its bytes arrive, in time and memory that the bytes bound: lists at
 * `inputs[].data` become numbers at once, whatever their length, and everything else has bounds of
 * its own.
 */
export class JsonReader {
  readonly #features: number;
  readonly #lease: MemoryLease;
  readonly #open: Container[] = [];
  #expects: Expects = 'value';
  #root: unknown = undefined;
  /** The data list that is being read. */
  #numbers: NumberList | null = null;
  /** The start of a token whose end has not arrived. */
  #rest: Buffer = Buffer.alloc(0);
  #values = 0;
  #textBytes = 0;
  /** Bytes before the ones at hand. */
  #offset = 0;

  /** @param features of a row of data, to name the place of what is wrong */
  constructor(features: number, lease: MemoryLease) {
    this.#features = features;
    this.#lease = lease;
  }

  /** @throws ProtocolError for what is not JSON, or beyond the bounds */
  push(block: Buffer): void {
    const bytes = this.#rest.length === 0 ? block : Buffer.concat([this.#rest, block]);
    let at = 0;
    for (;;) {
      while (isSpace(bytes[at])) at++;
      if (at === bytes.length) break;
      const next = this.#numbers === null ? this.#token(bytes, at) : this.#data(bytes, at);
      if (next === at) break;
      at = next;
    }
    const left = bytes.length - at;
    if (left > MOST_TEXT_BYTES) throw tooLarge();
    this.#rest = left === 0 ? bytes.subarray(at) : Buffer.from(bytes.subarray(at));
    this.#offset += at;
  }

  /**
   * After the last byte. Lists of data are `NumberList`s; objects have no prototype.
   *
   * @throws ProtocolError when the text is not complete
   */
  end(): unknown {
    // Ends a number that is all of the text.
    this.push(Buffer.from(' '));
    if (this.#expects === 'end') return this.#root;
    throw badRequest('the request is not JSON: it ends too early');
  }

  /** @returns where the token ends; `at`: not in these bytes */
  #token(bytes: Buffer, at: number): number {
    const char = String.fromCharCode(bytes[at] as number);
    switch (this.#expects) {
      case 'colon':
        if (char !== ':') break;
        this.#expects = 'value';
        return at + 1;
      case 'comma': {
        const isObject = this.#open.at(-1)?.key !== null;
        if (char === (isObject ? '}' : ']')) return this.#close(at);
        if (char !== ',') break;
        this.#expects = isObject ? 'key' : 'value';
        return at + 1;
      }
      case 'key or }':
        if (char === '}') return this.#close(at);
        return char === '"' ? this.#scalar(bytes, at) : this.#unexpected(bytes, at);
      case 'key':
        return char === '"' ? this.#scalar(bytes, at) : this.#unexpected(bytes, at);
      case 'value or ]':
        if (char === ']') return this.#close(at);
        return this.#value(bytes, at, char);
      case 'value':
        return this.#value(bytes, at, char);
      default:
    }
    return this.#unexpected(bytes, at);
  }

  #value(bytes: Buffer, at: number, char: string): number {
    if (char !== '{' && char !== '[') return this.#scalar(bytes, at);
    if (this.#open.length === MOST_DEPTH) {
      throw badRequest(`the request is nested too deep; it may be ${MOST_DEPTH} deep`);
    }
    if (char === '[' && this.#isData()) {
      const list = new NumberList(this.#features, this.#lease);
      this.#add(list);
      this.#numbers = list;
      return at;
    }
    const isObject = char === '{';
    const value = isObject ? (Object.create(null) as Record<string, unknown>) : [];
    this.#add(value);
    this.#open.push({ value, key: isObject ? '' : null });
    this.#expects = isObject ? 'key or }' : 'value or ]';
    return at + 1;
  }

  /** Whether the value that comes is at `inputs[].data`. */
  #isData(): boolean {
    const [root, inputs, tensor] = this.#open;
    return (
      this.#open.length === 3 &&
      root?.key === 'inputs' &&
      inputs?.key === null &&
      tensor?.key === 'data'
    );
  }

  #data(bytes: Buffer, at: number): number {
    const list = this.#numbers as NumberList;
    const next = list.read(bytes, at);
    if (list.isOpen) {
      if (list.refused >= 0) this.#refuse(bytes, list.refused, list.length);
      return next;
    }
    this.#numbers = null;
    return next;
  }

  /** A text, number or word. */
  #scalar(bytes: Buffer, at: number): number {
    const isText = bytes[at] === 0x22;
    const end = isText ? endOfText(bytes, at) : endOfWord(bytes, at);
    if (end < 0) return at;
    this.#textBytes += end - at;
    if (this.#textBytes > MOST_TEXT_BYTES) throw tooLarge();
    const isKey = this.#expects.startsWith('key');
    let value: unknown;
    try {
      const text = bytes.toString('latin1', at, end);
      value = PLAIN_TEXT.test(text)
        ? text.slice(1, -1)
        : JSON.parse(bytes.toString('utf8', at, end));
    } catch {
      return this.#unexpected(bytes, at);
    }
    const parent = this.#open.at(-1);
    if (isKey && parent !== undefined) {
      parent.key = value as string;
      this.#expects = 'colon';
    } else this.#add(value);
    return end;
  }

  #add(value: unknown): void {
    this.#values++;
    if (this.#values > MOST_VALUES) throw tooLarge();
    const parent = this.#open.at(-1);
    if (parent === undefined) this.#root = value;
    else if (parent.key === null) (parent.value as unknown[]).push(value);
    else (parent.value as Record<string, unknown>)[parent.key] = value;
    this.#expects = parent === undefined ? 'end' : 'comma';
  }

  #close(at: number): number {
    this.#open.pop();
    this.#expects = this.#open.length === 0 ? 'end' : 'comma';
    return at + 1;
  }

  /** What stands in a data list where a number has to be. */
  #refuse(bytes: Buffer, at: number, index: number): never {
    const word = wordAt(bytes, at);
    if (isNotFinite(word)) this.#unexpected(bytes, at);
    const end = bytes[at] === 0x22 ? endOfText(bytes, at) : 0;
    const shown = end > 0 ? bytes.toString('utf8', at, Math.min(end, at + 80)) : word;
    if (!/^(".*|true|false|null|\{)/s.test(shown)) this.#unexpected(bytes, at);
    const where = placeOf(index, this.#features);
    throw badRequest(`${where} is ${shown === '{' ? 'an object' : shown}; needs a number`);
  }

  #unexpected(bytes: Buffer, at: number): never {
    const word = wordAt(bytes, at);
    const hint = isNotFinite(word)
      ? '; NaN and Infinity are not JSON numbers, and inputs must be finite'
      : '';
    const what = `unexpected ${JSON.stringify(word)} at byte ${this.#offset + at}`;
    throw badRequest(`the request is not JSON: ${what}${hint}`);
  }
}

function tooLarge(): ProtocolError {
  const what = `${MOST_VALUES} values and ${MOST_TEXT_BYTES} bytes of text`;
  return badRequest(`the request has more than ${what} besides its data`);
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** @returns the index after the closing quote; −1: it has not arrived */
function endOfText(bytes: Buffer, at: number): number {
  for (let i = at + 1; i < bytes.length; i++) {
    if (bytes[i] === 0x22) return i + 1;
    if (bytes[i] === 0x5c) i++;
  }
  return -1;
}

/** @returns the index after a number or word; −1: more of it may arrive */
function endOfWord(bytes: Buffer, at: number): number {
  for (let i = at; i < bytes.length; i++) {
    if (isWord(bytes[i] as number)) continue;
    // What is no word either is refused as it stands.
    return Math.max(i, at + 1);
  }
  return -1;
}

function isWord(byte: number): boolean {
  const isLetter = (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a;
  return isLetter || (byte >= 0x30 && byte <= 0x39) || [0x2b, 0x2d, 0x2e].includes(byte);
}

/** The word or character there, for a message. */
function wordAt(bytes: Buffer, at: number): string {
  let end = at;
  while (end < bytes.length && end < at + 20 && isWord(bytes[end] as number)) end++;
  return bytes.toString('utf8', at, Math.max(end, at + 1));
}

function isNotFinite(word: string): boolean {
  return /^-?[NI]/.test(word);
}
