import { closeSync, createReadStream } from 'node:fs';
import { DataError } from '../../base/errors.js';
import type { TableDataset } from '../dataset.js';
import { openFile, readAt } from '../files.js';
import { quote } from '../safetensors-header.js';
import { chooseColumns, GrowingFloats } from './columns.js';
import { makeTable, type ReadOptions } from './table.js';

const WHERE = 'csv';
/** Longest line of a text file that is read. */
export const MAX_LINE_BYTES = 64 << 20;

/**
 * Reads a table of numbers: commas, or semicolons or tabs where the first line has those. A quoted
 * or unquoted first line of names is optional.
 *
 * @throws DataError naming the line and column of what is no number.
 */
export async function readCsv(path: string, options: ReadOptions): Promise<TableDataset> {
  const table = new Table(path, options);
  for await (const cells of csvRecords(path)) table.add(cells);
  return table.finish();
}

/** The lines of a CSV file, as cells. @throws DataError */
export async function* csvRecords(path: string): AsyncGenerator<string[]> {
  const { parse } = await import('csv-parse');
  const parser = parse({
    delimiter: findDelimiter(path),
    bom: true,
    trim: true,
    skip_empty_lines: true,
    max_record_size: MAX_LINE_BYTES,
  });
  const stream = createReadStream(path);
  stream.on('error', (error) => parser.destroy(error));
  stream.pipe(parser);
  try {
    for await (const record of parser) yield record as string[];
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    const { message } = cause as Error;
    throw new DataError(WHERE, `${path}: ${message.split('\n')[0]}`, { cause });
  } finally {
    stream.destroy();
  }
}

/** Whether a first line holds names: anything but numbers. */
export function isCsvHeader(cells: readonly string[]): boolean {
  return cells.some((cell) => !isNumberLike(cell));
}

/** The number of a cell. @throws DataError naming row and column of what is no finite number */
export function csvNumber(path: string, cell: string, column: string, row: number): number {
  // Number() takes '' for 0, and hexadecimal, octal and binary notation, which tables do not mean.
  const value = cell === '' || /^0[xob]/i.test(cell) ? Number.NaN : Number(cell);
  if (Number.isFinite(value)) return value;
  throw new DataError(
    WHERE,
    `${path}: column ${column} of row ${row} is ${quote(cell)}; ` +
      'every cell is a finite number: remove or fill such rows',
  );
}

class Table {
  private readonly path: string;
  private readonly options: ReadOptions;
  private readonly x = new GrowingFloats();
  private readonly y = new GrowingFloats();
  private names: readonly string[] = [];
  private features: readonly number[] = [];
  private targets: readonly number[] = [];
  private rows = 0;
  private integers = true;

  constructor(path: string, options: ReadOptions) {
    this.path = path;
    this.options = options;
  }

  add(cells: readonly string[]): void {
    if (this.names.length === 0 && this.start(cells)) return;
    for (const column of this.features) this.x.push(this.number(cells, column));
    for (const column of this.targets) {
      this.y.push(this.number(cells, column));
      if (this.integers && !/^[+-]?\d+$/.test(cells[column] as string)) this.integers = false;
    }
    this.rows++;
  }

  finish(): TableDataset {
    const { path, names, features, targets } = this;
    const forced = targets.length === 1 && /^label$/i.test(names[targets[0] as number] as string);
    const { answers = 'auto' } = this.options;
    return makeTable(
      {
        where: WHERE,
        path,
        rows: this.rows,
        features: features.length,
        x: this.x.toShared(),
        y: this.y.toShared(),
        answerWidth: targets.length,
        integers: this.integers,
        featureName: (c) => `column ${names[features[c] as number]}`,
        answerName: (c) => `column ${names[targets[c] as number]}`,
      },
      { ...this.options, answers: answers === 'auto' && forced ? 'labels' : answers },
    );
  }

  /** Learns the columns from the first line; true when it was a header. */
  private start(cells: readonly string[]): boolean {
    const { header = 'auto', targets } = this.options;
    const isHeader = header === 'auto' ? isCsvHeader(cells) : header;
    this.names = cells.map((cell, i) => (isHeader ? cell : String(i)));
    const chosen = chooseColumns(WHERE, this.path, this.names, targets);
    this.features = chosen.features;
    this.targets = chosen.targets;
    return isHeader;
  }

  private number(cells: readonly string[], column: number): number {
    return csvNumber(this.path, cells[column] as string, `${this.names[column]}`, this.rows);
  }
}

/** Numbers, and what is meant as one but is not usable: they make no header. */
function isNumberLike(cell: string): boolean {
  return cell === '' || /^[+-]?(nan|inf(inity)?)$/i.test(cell) || !Number.isNaN(Number(cell));
}

function findDelimiter(path: string): string {
  const file = openFile(WHERE, path);
  try {
    const start = Buffer.alloc(Math.min(file.sizeBytes, 65_536));
    readAt(file, start, 0);
    const line = start.toString('latin1').split(/[\r\n]/, 1)[0] as string;
    if (line.includes('\t')) return '\t';
    return line.includes(';') ? ';' : ',';
  } finally {
    closeSync(file.fd);
  }
}
