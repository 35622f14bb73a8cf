import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { endianness } from 'node:os';
import { DataError, UnsupportedError } from '../base/errors.js';
import { type OpenFile, openFile, readAt } from './open-file.js';
import { isInteger, type NumberFormat, viewNumbers } from './number-formats.js';
import {
  formatSafetensorsHeader,
  MAX_HEADER_BYTES,
  parseSafetensorsHeader,
  safeElementCount,
  SAFETENSORS_BYTES,
  type SafetensorsDtype,
  type SafetensorsEntry,
} from './safetensors-header.js';

export type { SafetensorsDtype, SafetensorsEntry } from './safetensors-header.js';

const CHUNK_BYTES = 4 << 20;

/** A safetensors file open for reading; close it when done. */
export class SafetensorsFile {
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** By name, in the order of their data. */
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  private readonly file: OpenFile;

  /** @throws DataError when the file is missing, truncated or damaged, with what is wrong. */
  constructor(path: string) {
    requireLittleEndian();
    this.path = path;
    this.file = openFile('safetensors', path);
    try {
      const { metadata, entries } = readHeader(this.file);
      this.metadata = metadata;
      this.entries = entries;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Type, shape and place of a tensor. @throws DataError when the file has none of that name */
  entry(name: string): SafetensorsEntry {
    const entry = this.entries.get(name);
    if (entry !== undefined) return entry;
    const names = [...this.entries.keys()];
    const listed = names.slice(0, 8).join(', ') + (names.length > 8 ? ', …' : '');
    throw new DataError(
      'safetensors',
      `${this.path}: no tensor ${name}; the file holds ${listed || 'none'}`,
    );
  }

  /** Reads the little-endian bytes of a tensor as they are; `out` has the tensor's byteLength. */
  readBytes(name: string, out: Uint8Array): void {
    const { byteOffset, byteLength } = this.entry(name);
    requireLength(out.length, byteLength);
    readAt(this.file, out, byteOffset);
  }

  /**
   * Reads a tensor of any number type, rounded to float32, into `out` or a new array.
   *
   * @throws DataError for a tensor that is missing, or of 64-bit integers or booleans.
   */
  readFloat32(name: string, out?: Float32Array): Float32Array {
    const { dtype, byteLength } = this.known(name);
    const elements = byteLength / SAFETENSORS_BYTES[dtype];
    const values = out ?? new Float32Array(elements);
    requireLength(values.length, elements);
    return this.readPart(name, 0, values);
  }

  /**
   * Reads elements `first … first + count − 1` of a tensor, as `readFloat32` does.
   *
   * @throws DataError
   */
  readElements(name: string, first: number, count: number): Float32Array {
    return this.readPart(name, first, new Float32Array(count));
  }

  private known(name: string): SafetensorsEntry & { readonly dtype: SafetensorsDtype } {
    const { dtype, ...rest } = this.entry(name);
    if (dtype !== 'unknown') return { ...rest, dtype };
    const known = Object.keys(SAFETENSORS_BYTES).join(', ');
    throw new DataError(
      'safetensors',
      `${this.path}: ${name} is of a type that is not read; known types are ${known}`,
    );
  }

  private readPart(name: string, first: number, values: Float32Array): Float32Array {
    const { dtype, byteOffset } = this.known(name);
    const size = SAFETENSORS_BYTES[dtype];
    const start = byteOffset + first * size;
    if (dtype === 'F32') {
      const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      readAt(this.file, bytes, start);
      return values;
    }
    const format = FORMATS[dtype];
    if (format === null || (isInteger(format) && size === 8)) {
      throw new DataError('safetensors', `${this.path}: ${name} is ${dtype}, not floating-point`);
    }
    this.forEachChunk(start, values.length * size, (chunk, firstByte) => {
      values.set(viewNumbers(format, chunk) as ArrayLike<number>, firstByte / size);
    });
    return values;
  }

  /**
   * Reads a tensor of integers that fit int32.
   *
   * @throws DataError for any other tensor or value, with its index.
   */
  readInt32(name: string, out?: Int32Array): Int32Array {
    const { dtype, byteOffset, byteLength } = this.known(name);
    const format = FORMATS[dtype];
    if (format === null || !isInteger(format)) {
      throw new DataError('safetensors', `${this.path}: ${name} is ${dtype}, not integers`);
    }
    const size = SAFETENSORS_BYTES[dtype];
    const values = out ?? new Int32Array(byteLength / size);
    requireLength(values.length, byteLength / size);
    this.forEachChunk(byteOffset, byteLength, (chunk, first) => {
      const numbers = viewNumbers(format, chunk);
      for (let i = 0; i < numbers.length; i++) {
        const value = Number(numbers[i]);
        if (value !== (value | 0)) {
          const index = first / size + i;
          throw new DataError(
            'safetensors',
            `${this.path}: ${name}[${index}] is ${numbers[i]}, outside int32`,
          );
        }
        values[first / size + i] = value;
      }
    });
    return values;
  }

  /** Closes the file; no tensor can be read after it. */
  close(): void {
    closeSync(this.file.fd);
  }

  private forEachChunk(
    byteOffset: number,
    byteLength: number,
    use: (chunk: Uint8Array, firstByte: number) => void,
  ): void {
    const buffer = new Uint8Array(Math.min(byteLength, CHUNK_BYTES));
    for (let first = 0; first < byteLength; first += buffer.length) {
      const chunk = buffer.subarray(0, Math.min(buffer.length, byteLength - first));
      readAt(this.file, chunk, byteOffset + first);
      use(chunk, first);
    }
  }
}

/** A tensor to write. `data` holds exactly the shape's elements in the dtype's representation:
 * F16 and BF16 as their bit patterns in a Uint16Array, BOOL as bytes 0 and 1. */
export interface SafetensorsTensor {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  readonly data: ArrayBufferView;
}

/** What was written. */
export interface SafetensorsWritten {
  /** SHA-256 of the whole file, in hexadecimal. */
  readonly sha256: string;
  readonly bytes: number;
}

/**
 * Writes a safetensors file, hashing it on the way. Tensors are ordered as the format's own writer
 * orders them: wide elements first (so that each tensor is aligned), then by name.
 *
 * @param target A path, created or replaced and synced to disk; or a file descriptor, written from
 *   its position on and neither synced nor closed.
 * @throws DataError for names used twice, or data whose size is not its shape's.
 */
export function writeSafetensors(
  target: string | number,
  tensors: readonly SafetensorsTensor[],
  metadata?: Readonly<Record<string, string>>,
): SafetensorsWritten {
  requireLittleEndian();
  const ordered = tensors.toSorted(
    (a, b) =>
      SAFETENSORS_BYTES[b.dtype] - SAFETENSORS_BYTES[a.dtype] ||
      (a.name < b.name ? -1 : Number(a.name > b.name)),
  );
  const header = formatSafetensorsHeader(layOut(ordered), metadata);
  if (typeof target === 'number') return writeParts(target, header, ordered);
  const fd = openSync(target, 'w');
  try {
    const written = writeParts(fd, header, ordered);
    fsyncSync(fd);
    return written;
  } finally {
    closeSync(fd);
  }
}

function readHeader(file: OpenFile) {
  const { path, sizeBytes } = file;
  if (sizeBytes < 8) {
    throw new DataError('safetensors', `${path}: ${sizeBytes} bytes are too few for a header`);
  }
  const start = Buffer.alloc(8);
  readAt(file, start, 0);
  if (start.toString('latin1', 0, 4) === 'PK\u0003\u0004') {
    const what = 'a zip file, as torch.save and numpy.savez write; safetensors.torch.save_file';
    throw new DataError('safetensors', `${path}: ${what} writes what is read here`);
  }
  const length = start.readBigUInt64LE();
  const limit = Math.min(MAX_HEADER_BYTES, sizeBytes - 8);
  if (length > BigInt(limit)) {
    throw new DataError(
      'safetensors',
      `${path}: claims a header of ${length} bytes where at most ${limit} fit; ` +
        'the file is truncated or not safetensors',
    );
  }
  const bytes = Buffer.alloc(Number(length));
  readAt(file, bytes, 8);
  const dataStart = 8 + bytes.length;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new DataError('safetensors', `${path}: the header is not UTF-8; the file is damaged`);
  }
  return parseSafetensorsHeader(path, text, dataStart, sizeBytes - dataStart);
}

/** Offsets of the tensors one after another, from the start of the data. */
function layOut(tensors: readonly SafetensorsTensor[]): SafetensorsEntry[] {
  const names = new Set(['__metadata__']);
  let byteOffset = 0;
  return tensors.map(({ name, dtype, shape, data }) => {
    if (names.has(name)) throw new DataError('safetensors', `the name ${name} is used twice`);
    names.add(name);
    const byteLength = (safeElementCount(shape) ?? Number.NaN) * SAFETENSORS_BYTES[dtype];
    if (data.byteLength !== byteLength) {
      throw new DataError(
        'safetensors',
        `${name}: ${data.byteLength} bytes of data; ${dtype} of shape [${shape.join(', ')}] ` +
          `needs ${byteLength}`,
      );
    }
    const entry = { name, dtype, shape, byteOffset, byteLength };
    byteOffset += byteLength;
    return entry;
  });
}

function writeParts(
  fd: number,
  header: Buffer,
  tensors: readonly SafetensorsTensor[],
): SafetensorsWritten {
  const hash = createHash('sha256');
  let bytes = 0;
  for (const part of [header, ...tensors.map((tensor) => tensor.data)]) {
    for (let first = 0; first < part.byteLength; first += CHUNK_BYTES) {
      const length = Math.min(CHUNK_BYTES, part.byteLength - first);
      const chunk = new Uint8Array(part.buffer, part.byteOffset + first, length);
      hash.update(chunk);
      for (let done = 0; done < length;) done += writeSync(fd, chunk, done);
    }
    bytes += part.byteLength;
  }
  return { sha256: hash.digest('hex'), bytes };
}

const FORMATS: Record<SafetensorsDtype, NumberFormat | null> = {
  BOOL: null,
  U8: 'u1',
  I8: 'i1',
  U16: 'u2',
  I16: 'i2',
  F16: 'f2',
  BF16: 'bf2',
  U32: 'u4',
  I32: 'i4',
  F32: 'f4',
  U64: 'u8',
  I64: 'i8',
  F64: 'f8',
};

function requireLength(given: number, needed: number): void {
  if (given !== needed) throw new RangeError(`room for ${given} elements; ${needed} are read`);
}

function requireLittleEndian(): void {
  if (endianness() === 'LE') return;
  throw new UnsupportedError('safetensors', 'this machine is big-endian; the format is not');
}
