import { closeSync, existsSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { ConfigError } from '../../base/errors.js';
import { giveName, isSystemError, newPartial, remedyFor } from '../../base/files.js';
import { formatSafetensorsHeader } from '../../data/safetensors-header.js';
import { openDatabase, identifier, literal } from '../../data/tables/database.js';
import { type AnswerColumn, type Answers, digits, eachRow, jsonRows } from './answer-rows.js';

/** Takes answers for a file that appears when all of it is written and synced, or not at all. */
export interface RowSink {
  write(answers: Answers): void;
  finish(): Promise<void>;
  /** Leaves nothing behind. */
  abort(): void;
}

/** What one format does with answers. */
interface RowWriter {
  write(answers: Answers): void;
  /** @param rows all that were written */
  end(rows: number): void;
}

/** Room for the header of a file whose number of rows is known at its end. */
const NPY_HEADER_BYTES = 128;
const SAFETENSORS_HEADER_BYTES = 256;

/** What files can be written: how, and whether they hold texts. */
const FORMATS = {
  '.csv': { writer: csvWriter, holdsTexts: true },
  '.npy': { writer: npyWriter, holdsTexts: false },
  // Written as CSV, then rewritten.
  '.parquet': { writer: csvWriter, holdsTexts: true },
  '.safetensors': { writer: safetensorsWriter, holdsTexts: false },
  '.jsonl': { writer: jsonWriter, holdsTexts: true },
} as const;
type Format = keyof typeof FORMATS;

/** @throws ConfigError for an ending that no format has */
export function formatOf(file: string): Format {
  const formats = Object.keys(FORMATS) as Format[];
  const found = formats.find((format) => path.extname(file).toLowerCase() === format);
  if (found !== undefined) return found;
  throw new ConfigError('out', `${file}: unknown format; ${formats.join(', ')} can be written`);
}

/** Whether a file of this name can hold texts. */
export function holdsTexts(file: string): boolean {
  return FORMATS[formatOf(file)].holdsTexts;
}

/**
 * Opens a file for answers; one that has this name stays as it is until the new one is whole. Of
 * several that are written at once, the last one stays.
 *
 * @throws ConfigError when it cannot be written, or cannot hold these columns
 */
export function openSink(file: string, columns: readonly AnswerColumn[]): RowSink {
  const format = formatOf(file);
  if (existsSync(`${file}/`)) throw new ConfigError('out', `${file} is a folder; give a file`);
  if (!holdsTexts(file) && new Set(columns.map(({ kind }) => kind)).size > 1) {
    const what = `${file} holds numbers of one kind; write names and ids to .csv, .jsonl or .parquet`;
    throw new ConfigError('out', what);
  }
  const partial = newPartial(file);
  const rewritten = `${partial}.parquet`;
  const guarded = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      rmSync(partial, { force: true });
      if (!isSystemError(error)) throw error;
      throw new ConfigError('out', `cannot write ${file}: ${error.message}; ${remedyFor(error)}`);
    }
  };
  const fd = guarded(() => openSync(partial, 'w'));
  let isOpen = true;
  const close = () => {
    if (isOpen) closeSync(fd);
    isOpen = false;
  };
  const writer = guarded(() => FORMATS[format].writer(fd, columns));
  let rows = 0;
  return {
    write(answers) {
      guarded(() => writer.write(answers));
      rows += answers.rows;
    },
    async finish() {
      guarded(() => {
        writer.end(rows);
        fsyncSync(fd);
        close();
      });
      if (format === '.parquet') {
        await toParquet(partial, rewritten, columns);
        rmSync(partial);
      }
      guarded(() => giveName(format === '.parquet' ? rewritten : partial, file));
    },
    abort() {
      close();
      rmSync(partial, { force: true });
      rmSync(rewritten, { force: true });
    },
  };
}

async function toParquet(csv: string, parquet: string, columns: readonly AnswerColumn[]) {
  const types = { real: 'FLOAT', integer: 'INTEGER', text: 'VARCHAR' };
  const typed = columns.map(({ name, kind }) => `${literal(name)}: ${literal(types[kind])}`);
  const database = await openDatabase();
  try {
    await database.rows(
      `copy (select ${columns.map(({ name }) => identifier(name)).join(', ')} from ` +
        `read_csv(${literal(csv)}, header=true, delim=',', quote='"', escape='"', ` +
        `auto_detect=false, columns={${typed.join(', ')}})) to ${literal(parquet)} (format parquet)`,
    );
  } finally {
    database.close();
  }
}

function writeAll(fd: number, bytes: Uint8Array, position: number | null = null): void {
  for (let done = 0; done < bytes.length;) {
    const at = position === null ? null : position + done;
    done += writeSync(fd, bytes, done, bytes.length - done, at);
  }
}

function csvWriter(fd: number, columns: readonly AnswerColumn[]): RowWriter {
  const cell = (value: number | string | null): string => {
    if (value === null) return '';
    if (typeof value === 'number') return digits(value);
    return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
  };
  writeAll(fd, Buffer.from(`${columns.map(({ name }) => cell(name)).join(',')}\n`));
  return {
    write(answers) {
      let text = '';
      eachRow(columns, answers, (cells) => {
        text += `${cells.map(cell).join(',')}\n`;
      });
      writeAll(fd, Buffer.from(text));
    },
    end() {},
  };
}

function jsonWriter(fd: number, columns: readonly AnswerColumn[]): RowWriter {
  return {
    write: (answers) => writeAll(fd, Buffer.from(`${jsonRows(columns, answers).join('\n')}\n`)),
    end() {},
  };
}

const areIntegers = (columns: readonly AnswerColumn[]) => columns[0]?.kind === 'integer';

/** Little-endian bytes of the numbers, as int32 where they are integers. */
function bytesOf({ numbers }: Answers, columns: readonly AnswerColumn[]): Uint8Array {
  const typed = areIntegers(columns) ? Int32Array.from(numbers) : numbers;
  return new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength);
}

/** [rows] of one column of integers, else [rows, columns]. */
function shapeOf(rows: number, columns: readonly AnswerColumn[]): number[] {
  return areIntegers(columns) && columns.length === 1 ? [rows] : [rows, columns.length];
}

function npyWriter(fd: number, columns: readonly AnswerColumn[]): RowWriter {
  const header = (rows: number): Buffer => {
    const shape = shapeOf(rows, columns);
    const sizes = shape.length === 1 ? `${rows},` : shape.join(', ');
    const type = areIntegers(columns) ? '<i4' : '<f4';
    const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${sizes}), }`;
    const bytes = Buffer.alloc(NPY_HEADER_BYTES, ' ');
    bytes.write('\x93NUMPY\x01\x00', 0, 'latin1');
    bytes.writeUInt16LE(NPY_HEADER_BYTES - 10, 8);
    bytes.write(text, 10, 'latin1');
    bytes.write('\n', NPY_HEADER_BYTES - 1);
    return bytes;
  };
  writeAll(fd, header(0));
  return {
    write: (answers) => writeAll(fd, bytesOf(answers, columns)),
    end: (rows) => writeAll(fd, header(rows), 0),
  };
}

function safetensorsWriter(fd: number, columns: readonly AnswerColumn[]): RowWriter {
  const header = (rows: number): Buffer => {
    const integers = areIntegers(columns);
    const shape = shapeOf(rows, columns);
    const byteLength = 4 * rows * columns.length;
    const name = integers ? 'label' : 'y';
    const dtype = integers ? 'I32' : 'F32';
    const entry = { name, dtype, shape, byteOffset: 0, byteLength } as const;
    const plain = formatSafetensorsHeader([entry], undefined);
    // The format lets a header end with spaces.
    const bytes = Buffer.alloc(SAFETENSORS_HEADER_BYTES, ' ');
    plain.copy(bytes);
    bytes.writeBigUInt64LE(BigInt(SAFETENSORS_HEADER_BYTES - 8));
    return bytes;
  };
  writeAll(fd, header(0));
  return {
    write: (answers) => writeAll(fd, bytesOf(answers, columns)),
    end: (rows) => writeAll(fd, header(rows), 0),
  };
}
