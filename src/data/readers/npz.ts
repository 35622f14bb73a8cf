import { inflateRawSync } from 'node:zlib';
import { DataError } from '../../base/errors.js';
import type { TableDataset } from '../dataset.js';
import { heldFile, type OpenFile, readAt, withFile } from '../open-file.js';
import { type ArrayPair, pairArrays } from './array-names.js';
import { readAnswers, readFeatures, tableOf } from './npy.js';
import type { ReadOptions } from './raw-table.js';

const WHERE = 'npz';
/** No deflate stream expands further than this. */
const MAX_INFLATION = 1032;
const END_BYTES = 22;
/** The end of an archive may be followed by a comment of at most 64 KiB. */
const MAX_END_BYTES = END_BYTES + 0xffff;

interface Member {
  readonly name: string;
  /** 0: stored, 8: deflated. */
  readonly method: number;
  readonly packedBytes: number;
  readonly bytes: number;
  /** Of its own header. */
  readonly position: number;
}

/**
 * Reads the arrays of `np.savez` and `np.savez_compressed`: `x` and `y`, or `x_train`, `y_train`
 * and `x_test`, `y_test` to validate on.
 *
 * @throws DataError
 */
export function readNpz(
  path: string,
  options: ReadOptions,
): { training: TableDataset; validation: TableDataset | null } {
  return withFile(WHERE, path, (file) => {
    const members = new Map(membersOf(file).map((member) => [stemOf(member.name), member]));
    const pairs = pairArrays(WHERE, path, [...members.keys()]);
    if (pairs === null) {
      const names = [...members.keys()].slice(0, 8).join(', ') || 'none';
      throw new DataError(WHERE, `${path}: holds ${names}; features are x, or x_train and x_test`);
    }
    const read = ({ x, y }: ArrayPair): TableDataset => {
      const open = (name: string) => unpack(file, members.get(name) as Member);
      return tableOf(path, { x: readFeatures(open(x)), y: readAnswers(open(y)), options });
    };
    return {
      training: read(pairs.training),
      validation: pairs.validation && read(pairs.validation),
    };
  });
}

const stemOf = (name: string) => name.replace(/\.npy$/, '');

/** The directory at the end of the archive. */
function membersOf(file: OpenFile): Member[] {
  const damaged = (what: string) =>
    new DataError(WHERE, `${file.path}: ${what}; it is no NPZ file, truncated or damaged`);
  const length = Math.min(file.sizeBytes, MAX_END_BYTES);
  const tail = Buffer.alloc(length);
  readAt(file, tail, file.sizeBytes - length);
  const end = tail.lastIndexOf('PK\x05\x06', undefined, 'latin1');
  if (end < 0 || end + END_BYTES > length) throw damaged('no directory of an archive at its end');
  const count = tail.readUInt16LE(end + 10);
  const [bytes, position] = [tail.readUInt32LE(end + 12), tail.readUInt32LE(end + 16)];
  if (bytes === 0xffffffff || position === 0xffffffff || position + bytes > file.sizeBytes) {
    throw damaged('its directory lies beyond what is read (archives up to 4 GB are)');
  }
  const directory = Buffer.alloc(bytes);
  readAt(file, directory, position);
  const members: Member[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 46 > bytes || directory.readUInt32LE(at) !== 0x02014b50)
      throw damaged('its directory ends early');
    const [nameBytes, extra, comment] = [28, 30, 32].map((place) =>
      directory.readUInt16LE(at + place),
    ) as [number, number, number];
    members.push({
      name: directory.toString('utf8', at + 46, at + 46 + nameBytes),
      method: directory.readUInt16LE(at + 10),
      packedBytes: directory.readUInt32LE(at + 20),
      bytes: directory.readUInt32LE(at + 24),
      position: directory.readUInt32LE(at + 42),
    });
    at += 46 + nameBytes + extra + comment;
  }
  return members;
}

function unpack(file: OpenFile, { name, method, packedBytes, bytes, position }: Member): OpenFile {
  const path = `${file.path}: ${name}`;
  const fail = (what: string, cause?: unknown) =>
    new DataError(WHERE, `${path} ${what}`, { cause });
  const head = Buffer.alloc(30);
  readAt(file, head, position);
  if (head.readUInt32LE(0) !== 0x04034b50) throw fail('does not begin where the directory says');
  const start = position + 30 + head.readUInt16LE(26) + head.readUInt16LE(28);
  if (packedBytes > file.sizeBytes - start || bytes > packedBytes * MAX_INFLATION) {
    throw fail(`claims ${bytes} bytes in ${packedBytes}; the file is truncated or damaged`);
  }
  const packed = Buffer.alloc(packedBytes);
  readAt(file, packed, start);
  if (method === 0) return heldFile(WHERE, path, packed);
  if (method !== 8)
    throw fail(`is packed by method ${method}; stored and deflated arrays are read`);
  try {
    return heldFile(WHERE, path, inflateRawSync(packed, { maxOutputLength: Math.max(1, bytes) }));
  } catch (cause) {
    throw fail('cannot be inflated; the file is truncated or damaged', cause);
  }
}
