import { DataError } from '../base/errors.js';

/** Element types this library reads and writes, with their size in bytes. */
export const SAFETENSORS_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
} as const;

/** Types of numbers in a safetensors file. */
export type SafetensorsDtype = keyof typeof SAFETENSORS_BYTES;

/** Where a tensor lies; `byteOffset` counts from the start of the file. */
export interface SafetensorsEntry {
  readonly name: string;
  /** `unknown`: a type that is not read; such a tensor may lie beside others. */
  readonly dtype: SafetensorsDtype | 'unknown';
  readonly shape: readonly number[];
  readonly byteOffset: number;
  readonly byteLength: number;
}

export interface SafetensorsHeader {
  readonly metadata: Readonly<Record<string, string>>;
  /** In the order of their data. */
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
}

/** The limit of the format's own reader. */
export const MAX_HEADER_BYTES = 100_000_000;

const METADATA = '__metadata__';

/**
 * Reads the JSON header of a safetensors file (https://github.com/huggingface/safetensors).
 *
 * @param text The header without its eight length bytes.
 * @param dataStart Offset of the data in the file.
 * @param dataBytes Bytes of the file from there to its end.
 * @throws DataError unless every byte of the data belongs to exactly one tensor.
 */
export function parseSafetensorsHeader(
  path: string,
  text: string,
  dataStart: number,
  dataBytes: number,
): SafetensorsHeader {
  const fail = (what: string): never => {
    throw new DataError('safetensors', `${path}: ${what}`);
  };
  if (!text.startsWith('{')) fail('the header does not start with {; this is not safetensors');
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    fail('the header is not JSON; the file is damaged');
  }
  const duplicate = duplicateKey(text);
  if (duplicate !== null) fail(`the header names ${quote(duplicate)} twice`);

  let metadata: Record<string, string> = {};
  const entries: SafetensorsEntry[] = [];
  for (const [name, value] of Object.entries(parsed as object)) {
    if (name === METADATA) metadata = readMetadata(value, fail);
    else entries.push(readEntry(name, value, dataStart, fail));
  }

  entries.sort((a, b) => a.byteOffset - b.byteOffset || a.byteLength - b.byteLength);
  let end = dataStart;
  for (const { name, byteOffset, byteLength } of entries) {
    if (byteOffset !== end) {
      const problem = byteOffset < end ? 'overlaps the tensor before it' : 'leaves a gap before it';
      fail(
        `tensor ${quote(name)} starts at data byte ${byteOffset - dataStart} and ${problem}, ` +
          `which ends at ${end - dataStart}`,
      );
    }
    end += byteLength;
  }
  if (end !== dataStart + dataBytes) {
    fail(
      `the tensors cover ${end - dataStart} bytes but the file holds ${dataBytes} after its ` +
        'header; it is truncated or damaged',
    );
  }
  return { metadata, entries: new Map(entries.map((entry) => [entry.name, entry])) };
}

/** The header as the format's own writer makes it: padded with spaces to a multiple of 8 bytes. */
export function formatSafetensorsHeader(
  entries: readonly SafetensorsEntry[],
  metadata: Readonly<Record<string, string>> | undefined,
): Buffer {
  const fields: [string, unknown][] = metadata === undefined ? [] : [[METADATA, metadata]];
  for (const { name, dtype, shape, byteOffset, byteLength } of entries) {
    const data_offsets = [byteOffset, byteOffset + byteLength];
    fields.push([name, { dtype, shape, data_offsets }]);
  }
  // Not Object.fromEntries: it would move names that look like integers to the front.
  const body = fields.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
  const text = Buffer.from(`{${body.join(',')}}`);
  const length = Math.ceil(text.length / 8) * 8;
  const header = Buffer.alloc(8 + length, 0x20);
  header.writeBigUInt64LE(BigInt(length), 0);
  text.copy(header, 8);
  return header;
}

/** Number of elements, or null when the shape is none or its size is no safe integer. */
export function safeElementCount(shape: unknown): number | null {
  if (!Array.isArray(shape)) return null;
  let count = 1;
  let empty = false;
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0) return null;
    if (size === 0) empty = true;
    else count *= size;
    if (count > Number.MAX_SAFE_INTEGER) return null;
  }
  return empty ? 0 : count;
}

function readMetadata(value: unknown, fail: (what: string) => never): Record<string, string> {
  if (!isObject(value) || !Object.values(value).every((text) => typeof text === 'string')) {
    return fail('__metadata__ is not a map from strings to strings');
  }
  return value as Record<string, string>;
}

function readEntry(
  name: string,
  value: unknown,
  dataStart: number,
  fail: (what: string) => never,
): SafetensorsEntry {
  const of = `of tensor ${quote(name)}`;
  if (!isObject(value)) return fail(`the entry ${of} is not an object`);
  const { dtype, shape, data_offsets: offsets, ...others } = value;
  const unknown = Object.keys(others)[0];
  if (unknown !== undefined) return fail(`the entry ${of} has an unknown field ${quote(unknown)}`);
  if (typeof dtype !== 'string') return fail(`the type ${of} is ${quote(dtype)}; it is a text`);
  const elements = safeElementCount(shape);
  if (elements === null) return fail(`the shape ${of} is ${quote(shape)}; sizes are integers ≥ 0`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || safeElementCount(offsets) === null) {
    return fail(`data_offsets ${of} are ${quote(offsets)}; they are two integers ≥ 0`);
  }
  const [begin, end] = offsets as [number, number];
  const known = isKnown(dtype);
  const byteLength = known ? elements * SAFETENSORS_BYTES[dtype] : end - begin;
  if (byteLength < 0 || end - begin !== byteLength) {
    return fail(
      `data_offsets ${of} span ${end - begin} bytes but ${dtype} of shape ` +
        `[${(shape as number[]).join(', ')}] needs ${byteLength}`,
    );
  }
  return {
    name,
    dtype: known ? dtype : 'unknown',
    shape: shape as number[],
    byteOffset: dataStart + begin,
    byteLength,
  };
}

function isKnown(dtype: string): dtype is SafetensorsDtype {
  return Object.hasOwn(SAFETENSORS_BYTES, dtype);
}

/** A key that some object of valid JSON holds twice, of which JSON.parse keeps only the last. */
function duplicateKey(json: string): string | null {
  const keysOfOpenObjects: Set<string>[] = [];
  for (let i = 0; i < json.length; i++) {
    const character = json[i];
    if (character === '{') keysOfOpenObjects.push(new Set());
    else if (character === '}') keysOfOpenObjects.pop();
    else if (character === '"') {
      const start = i++;
      while (json[i] !== '"') i += json[i] === '\\' ? 2 : 1;
      let next = i + 1;
      while (/\s/.test(json[next] ?? '')) next++;
      if (json[next] !== ':') continue;
      const key = JSON.parse(json.slice(start, i + 1)) as string;
      const keys = keysOfOpenObjects.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
  }
  return null;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value from a file for an error message, cut so that a hostile one stays one short line. */
export function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? 'missing';
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
