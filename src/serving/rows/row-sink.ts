import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import type * as hyparquet from 'hyparquet-writer';
import { formatSafetensorsHeader } from '../../data/safetensors-header.js';
import { ConfigError } from '../../base/errors.js';
import { isSystemError, remedyFor, syncFolder } from '../../base/files.js';

/** Numbers of a row that is written: float32 values under `y`, or one integer under `label`. */
export interface RowShape {
  readonly name: 'y' | 'label';
  readonly width: number;
}

/** Takes rows for a file that appears when all of it is written and synced, or not at all. */
export interface RowSink {
  /** @param values [rows, width] */
  write(values: Float32Array): void;
  finish(): void;
  /** Leaves nothing behind. */
  abort(): void;
}

/** What one format does with rows. */
interface RowWriter {
  write(values: Float32Array): void;
  /** @param rows all that were written */
  end(rows: number): void;
}

/** Room for the header of a file whose number of rows is known at its end. */
const NPY_HEADER_BYTES = 128;
const SAFETENSORS_HEADER_BYTES = 256;

const FORMATS = ['.csv', '.npy', '.parquet', '.safetensors', '.jsonl'] as const;
type Format = (typeof FORMATS)[number];

/** @throws ConfigError for an ending that no format has */
export function formatOf(file: string): Format {
  const found = FORMATS.find((format) => path.extname(file).toLowerCase() === format);
  if (found !== undefined) return found;
  throw new ConfigError('out', `${file}: unknown format; ${FORMATS.join(', ')} can be written`);
}

/**
 * Opens a file for rows; one that has this name stays as it is until the new one is whole.
 *
 * @throws ConfigError when it cannot be written
 */
export async function openSink(file: string, shape: RowShape): Promise<RowSink> {
  const format = formatOf(file);
  if (existsSync(`${file}/`)) throw new ConfigError('out', `${file} is a folder; give a file`);
  const partial = `${file}.partial`;
  const guarded = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      rmSync(partial, { force: true });
      if (!isSystemError(error)) throw error;
      throw new ConfigError('out', `cannot write ${file}: ${error.message}; ${remedyFor(error)}`);
    }
  };
  const parquet = format === '.parquet' ? await import('hyparquet-writer') : null;
  const fd = guarded(() => openSync(partial, 'w'));
  const writer = parquet
    ? guarded(() => parquetWriter(parquet, partial, shape))
    : writerOf(format, fd, shape);
  let rows = 0;
  return {
    write(values) {
      guarded(() => writer.write(values));
      rows += values.length / shape.width;
    },
    finish() {
      guarded(() => {
        writer.end(rows);
        fsyncSync(fd);
        closeSync(fd);
        renameSync(partial, file);
        syncFolder(path.dirname(path.resolve(file)));
      });
    },
    abort() {
      closeSync(fd);
      rmSync(partial, { force: true });
    },
  };
}

function writerOf(format: Exclude<Format, '.parquet'> | Format, fd: number, shape: RowShape) {
  switch (format) {
    case '.csv':
      return csvWriter(fd, shape);
    case '.jsonl':
      return jsonWriter(fd, shape);
    case '.npy':
      return npyWriter(fd, shape);
    default:
      return safetensorsWriter(fd, shape);
  }
}

function writeAll(fd: number, bytes: Uint8Array, position: number | null = null): void {
  for (let done = 0; done < bytes.length;) {
    const at = position === null ? null : position + done;
    done += writeSync(fd, bytes, done, bytes.length - done, at);
  }
}

/** The shortest digits that give the float32 back. */
function digits(value: number): string {
  for (let precision = 6; precision < 9; precision++) {
    const text = value.toPrecision(precision);
    if (Math.fround(Number(text)) === value) return String(Number(text));
  }
  return String(Number(value.toPrecision(9)));
}

function columnNames({ name, width }: RowShape): string[] {
  return name === 'label' ? [name] : Array.from({ length: width }, (_, i) => `${name}${i}`);
}

function eachRow(values: Float32Array, width: number, use: (row: Float32Array) => void): void {
  for (let first = 0; first < values.length; first += width) {
    use(values.subarray(first, first + width));
  }
}

function csvWriter(fd: number, shape: RowShape): RowWriter {
  writeAll(fd, Buffer.from(`${columnNames(shape).join(',')}\n`));
  return {
    write(values) {
      let text = '';
      eachRow(values, shape.width, (row) => {
        text += `${Array.from(row, digits).join(',')}\n`;
      });
      writeAll(fd, Buffer.from(text));
    },
    end() {},
  };
}

function jsonWriter(fd: number, { name, width }: RowShape): RowWriter {
  return {
    write(values) {
      let text = '';
      eachRow(values, width, (row) => {
        const numbers = Array.from(row, digits).join(',');
        text += name === 'label' ? `{"label":${numbers}}\n` : `{"y":[${numbers}]}\n`;
      });
      writeAll(fd, Buffer.from(text));
    },
    end() {},
  };
}

/** Little-endian bytes of the values, as int32 where they are labels. */
function bytesOf(values: Float32Array, { name }: RowShape): Uint8Array {
  const typed = name === 'label' ? Int32Array.from(values) : values;
  return new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength);
}

function npyWriter(fd: number, shape: RowShape): RowWriter {
  const header = (rows: number): Buffer => {
    const sizes = shape.name === 'label' ? `${rows},` : `${rows}, ${shape.width}`;
    const type = shape.name === 'label' ? '<i4' : '<f4';
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
    write: (values) => writeAll(fd, bytesOf(values, shape)),
    end: (rows) => writeAll(fd, header(rows), 0),
  };
}

function safetensorsWriter(fd: number, shape: RowShape): RowWriter {
  const header = (rows: number): Buffer => {
    const { name, width } = shape;
    const sizes = name === 'label' ? [rows] : [rows, width];
    const dtype = name === 'label' ? 'I32' : 'F32';
    const byteLength = 4 * rows * width;
    const entry = { name, dtype, shape: sizes, byteOffset: 0, byteLength } as const;
    const plain = formatSafetensorsHeader([entry], undefined);
    // The format lets a header end with spaces.
    const bytes = Buffer.alloc(SAFETENSORS_HEADER_BYTES, ' ');
    plain.copy(bytes);
    bytes.writeBigUInt64LE(BigInt(SAFETENSORS_HEADER_BYTES - 8));
    return bytes;
  };
  writeAll(fd, header(0));
  return {
    write: (values) => writeAll(fd, bytesOf(values, shape)),
    end: (rows) => writeAll(fd, header(rows), 0),
  };
}

function parquetWriter(
  { fileWriter, ParquetWriter }: Pick<typeof hyparquet, 'fileWriter' | 'ParquetWriter'>,
  file: string,
  shape: RowShape,
): RowWriter {
  const names = columnNames(shape);
  const type = shape.name === 'label' ? 'INT32' : 'FLOAT';
  const writer = new ParquetWriter({
    writer: fileWriter(file),
    schema: [
      { name: 'root', num_children: names.length },
      ...names.map((name) => ({ name, type, repetition_type: 'REQUIRED' }) as const),
    ],
    createdBy: 'phantom-parallel',
  });
  return {
    write(values) {
      const rows = values.length / shape.width;
      void writer.write({
        columnData: names.map((name, column) => ({
          name,
          data: Array.from({ length: rows }, (_, row) => values[row * shape.width + column] ?? 0),
        })),
        rowGroupSize: rows,
      });
    },
    end: () => void writer.finish(),
  };
}
