import { crc32 } from 'node:zlib';

const BLOCK_BYTES = 32768;
/** A checksum, the length and the type before each piece; the file's own head is as long. */
const HEAD_BYTES = 7;
/** `:W&B`, a magic number and the version 0. */
const FILE_HEAD = Uint8Array.of(0x3a, 0x57, 0x26, 0x42, 0xe1, 0xbe, 0);
/** Of the pieces of a record, by whether one is its first and its last. */
const TYPES = { whole: 1, first: 2, middle: 3, last: 4 } as const;

/**
 * A file of records as LevelDB's log format has them: blocks of 32 KiB, and a record that crosses
 * their ends in pieces; each piece behind its CRC-32 (IEEE, over type and data), length and type,
 * little-endian.
 */
export function logFile(records: Iterable<Uint8Array>): Uint8Array {
  const parts: Uint8Array[] = [FILE_HEAD];
  let at = FILE_HEAD.length;
  const add = (bytes: Uint8Array) => {
    parts.push(bytes);
    at += bytes.length;
  };
  for (const record of records) {
    let from = 0;
    do {
      const left = BLOCK_BYTES - (at % BLOCK_BYTES);
      if (left < HEAD_BYTES) {
        add(new Uint8Array(left));
        continue;
      }
      const data = record.subarray(from, from + left - HEAD_BYTES);
      const [isFirst, isLast] = [from === 0, from + data.length === record.length];
      const type = isFirst ? (isLast ? 'whole' : 'first') : isLast ? 'last' : 'middle';
      add(headOf(data, TYPES[type]));
      add(data);
      from += data.length;
    } while (from < record.length);
  }
  return Buffer.concat(parts);
}

function headOf(data: Uint8Array, type: number): Uint8Array {
  const head = new Uint8Array(HEAD_BYTES);
  const view = new DataView(head.buffer);
  view.setUint32(0, crc32(data, crc32(Uint8Array.of(type))), true);
  view.setUint16(4, data.length, true);
  head[6] = type;
  return head;
}
