import { CellList } from './cell-list.js';
import { endOfText, endOfWord, isSpace, wordAt } from './json-tokens.js';
import type { MemoryLease } from './memory-budget.js';
import { NumberList, placeOf } from './number-list.js';
import { badRequest, type ProtocolError } from './protocol-error.js';

/** Bounds of everything but data, and of a row: what a request says of itself is small. */
const MOST_DEPTH = 16;
const MOST_VALUES = 10_000;
const MOST_TEXT_BYTES = 1 << 16;
/** What each column of the model's table adds to them. */
const COLUMN_VALUES = 16;
const COLUMN_TEXT_BYTES = 256;
/** Brackets, blanks and nulls before the first value of a list, which says what the list holds. */
const MOST_LEAD_BYTES = 1 << 12;

/** A text without escapes, in letters of one byte. */
const PLAIN_TEXT = /^"[ !#-[\]-~]*"$/;

/** What may come next. */
type Expects = 'value' | 'value or ]' | 'key' | 'key or }' | 'colon' | 'comma' | 'end';

interface Container {
  readonly value: unknown[] | Record<string, unknown>;
  /** Of an object, whose value comes next; null: a list. */
  key: string | null;
}

/** What a reader does with what has no bounds of its own. */
export interface JsonReaderOptions {
  /** Of a row of data, to name the place of what is wrong. */
  readonly features: number;
  /** Of the table that the model was trained on: lists of data may hold texts, booleans and null.
   * Default 0: it was none. */
  readonly columns?: number;
  /** Takes the objects of the list `rows`, or of a list that is all of the request, one by one; they
   * are not kept. */
  readonly onRow?: (row: object) => void;
}

/**
 * Reads the JSON of a request as its bytes arrive, in time and memory that the bytes bound: lists at
 * `inputs[].data` become numbers at once, whatever their length, rows are handed on one by one, and
 * everything else has bounds of its own.
 */
export class JsonReader {
  readonly #options: JsonReaderOptions;
  readonly #lease: MemoryLease;
  readonly #mostValues: number;
  readonly #mostTextBytes: number;
  readonly #open: Container[] = [];
  #expects: Expects = 'value';
  #root: unknown = undefined;
  /** The data list that is being read. */
  #list: NumberList | CellList | null = null;
  /** The start of a token whose end has not arrived. */
  #rest: Buffer = Buffer.alloc(0);
  #values = 0;
  #textBytes = 0;
  /** Rows so far, and what was counted before the one that is open. */
  #rows = 0;
  #beforeRow: { readonly values: number; readonly textBytes: number } | null = null;
  /** Bytes before the ones at hand. */
  #offset = 0;

  constructor(options: JsonReaderOptions, lease: MemoryLease) {
    const { columns = 0 } = options;
    this.#options = options;
    this.#mostValues = MOST_VALUES + COLUMN_VALUES * columns;
    this.#mostTextBytes = MOST_TEXT_BYTES + COLUMN_TEXT_BYTES * columns;
    this.#lease = lease;
  }

  /** @throws ProtocolError for what is not JSON, or beyond the bounds */
  push(block: Buffer): void {
    const bytes = this.#rest.length === 0 ? block : Buffer.concat([this.#rest, block]);
    let at = 0;
    for (;;) {
      while (isSpace(bytes[at])) at++;
      if (at === bytes.length) break;
      const next = this.#list === null ? this.#token(bytes, at) : this.#data(bytes, at);
      if (next === at) break;
      at = next;
    }
    const left = bytes.length - at;
    if (left > MOST_TEXT_BYTES) throw this.#tooLarge();
    this.#rest = left === 0 ? bytes.subarray(at) : Buffer.from(bytes.subarray(at));
    this.#offset += at;
  }

  /**
   * After the last byte. Lists of data are `NumberList`s or `CellList`s; objects have no prototype.
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
      const list = this.#newList(bytes, at);
      if (list === null) return at;
      this.#add(list);
      this.#list = list;
      return this.#data(bytes, at);
    }
    const isObject = char === '{';
    const value = isObject ? (Object.create(null) as Record<string, unknown>) : [];
    if (isObject && this.#isRow()) {
      this.#beforeRow = { values: this.#values, textBytes: this.#textBytes };
    }
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

  /** Whether the value that comes is in a list of rows. */
  #isRow(): boolean {
    if (this.#options.onRow === undefined) return false;
    const [root, list] = this.#open;
    if (this.#open.length === 1) return root?.key === null;
    return this.#open.length === 2 && root?.key === 'rows' && list?.key === null;
  }

  /** @returns null where what the list holds is not in these bytes */
  #newList(bytes: Buffer, at: number): NumberList | CellList | null {
    const { features, columns = 0 } = this.#options;
    if (columns === 0) return new NumberList(features, this.#lease);
    const head = bytes.toString('latin1', at, at + MOST_LEAD_BYTES);
    const lead = /^(?:[[\s,]|null)*/.exec(head)?.[0].length ?? 0;
    const byte = bytes[at + lead];
    if (byte === undefined || (byte === 0x6e && at + lead + 4 > bytes.length)) return null;
    const isNumber = byte === 0x2d || byte === 0x5d || (byte >= 0x30 && byte <= 0x39);
    if (lead + 4 > MOST_LEAD_BYTES) return new NumberList(features, this.#lease, true);
    return isNumber ? new NumberList(features, this.#lease, true) : new CellList(this.#lease);
  }

  #data(bytes: Buffer, at: number): number {
    const list = this.#list as NumberList | CellList;
    const next = list.read(bytes, at);
    if (list.isOpen) {
      if (list.refused >= 0) this.#refuse(bytes, list.refused, list);
      return next;
    }
    this.#list = null;
    return next;
  }

  /** A text, number or word. */
  #scalar(bytes: Buffer, at: number): number {
    const isText = bytes[at] === 0x22;
    const end = isText ? endOfText(bytes, at) : endOfWord(bytes, at);
    if (end < 0) return at;
    this.#textBytes += end - at;
    if (this.#textBytes > this.#mostTextBytes) throw this.#tooLarge();
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
    if (this.#values > this.#mostValues) throw this.#tooLarge();
    if (this.#isRow() && this.#beforeRow === null) {
      throw badRequest(`row ${this.#rows} is not an object; it has values by column name`);
    }
    const parent = this.#open.at(-1);
    if (parent === undefined) this.#root = value;
    else if (parent.key === null) (parent.value as unknown[]).push(value);
    else (parent.value as Record<string, unknown>)[parent.key] = value;
    this.#expects = parent === undefined ? 'end' : 'comma';
  }

  #close(at: number): number {
    const closed = this.#open.pop();
    if (this.#beforeRow !== null && this.#isRow()) {
      const { value: list } = this.#open.at(-1) as Container;
      (list as unknown[]).pop();
      this.#values = this.#beforeRow.values;
      this.#textBytes = this.#beforeRow.textBytes;
      this.#beforeRow = null;
      this.#rows++;
      this.#options.onRow?.(closed?.value as object);
    }
    this.#expects = this.#open.length === 0 ? 'end' : 'comma';
    return at + 1;
  }

  /** What stands in a data list where a number has to be. */
  #refuse(bytes: Buffer, at: number, list: NumberList | CellList): never {
    if (list instanceof CellList) this.#unexpected(bytes, at);
    const word = wordAt(bytes, at);
    if (isNotFinite(word)) this.#unexpected(bytes, at);
    const end = bytes[at] === 0x22 ? endOfText(bytes, at) : 0;
    const shown = end > 0 ? bytes.toString('utf8', at, Math.min(end, at + 80)) : word;
    if (!/^(".*|true|false|null|\{)/s.test(shown)) this.#unexpected(bytes, at);
    const where = placeOf(list.length, this.#options.features);
    throw badRequest(`${where} is ${shown === '{' ? 'an object' : shown}; needs a number`);
  }

  #tooLarge(): ProtocolError {
    const what = `${this.#mostValues} values and ${this.#mostTextBytes} bytes of text`;
    const whole =
      this.#beforeRow === null ? 'the request has' : `row ${this.#rows} and the rest have`;
    return badRequest(`${whole} more than ${what} besides its data`);
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

function isNotFinite(word: string): boolean {
  return /^-?[NI]/.test(word);
}
