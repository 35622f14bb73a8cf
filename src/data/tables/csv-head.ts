import { closeSync } from 'node:fs';
import { gunzipSync, constants } from 'node:zlib';
import { DataError } from '../../base/errors.js';
import { openFile, readAt } from '../open-file.js';
import { isMissing, isPlainNumber } from './cells.js';

/** How a text file of rows is written, found in its first lines. */
export interface CsvHead {
  readonly delimiter: string;
  readonly encoding: 'utf-8' | 'utf-16';
  /** Lines before the header or the first row: blank ones, comments, `sep=;`. */
  readonly skip: number;
  readonly header: boolean;
  /** As many as a row has cells; '' where the header has none. */
  readonly names: readonly string[];
  /** What had to be decided, for people. */
  readonly notes: readonly string[];
}

const HEAD_BYTES = 1 << 18;
const HEAD_ROWS = 200;
const DELIMITERS = [';', '\t', '|', ',', ' '];

/**
 * Looks at the start of a CSV or TSV file, gzip too.
 *
 * A header is what the user says it is; else a first line that holds a text over numbers, or
 * nothing but different texts, or consecutive integers (years, 0 1 2 …) that the next line does not
 * go on with. A gap (`NA`, `?`, an empty cell) makes no header.
 *
 * @throws DataError for a file without rows
 */
export function readCsvHead(file: string, header: boolean | 'auto' = 'auto'): CsvHead {
  const { text, encoding, whole } = readStart(file);
  const notes: string[] = [];
  const lines = text.split(/\r\n|\n|\r/);
  let skip = 0;
  let declared: string | null = null;
  for (const line of lines) {
    const separator = /^"?sep=(.)"?$/i.exec(line.trim());
    if (separator !== null) declared = separator[1] ?? null;
    else if (line.trim() !== '' && !line.startsWith('#')) break;
    skip++;
  }
  const body = lines.slice(skip).join('\n');
  if (body.trim() === '') throw new DataError('csv', `${file}: no rows; at least one is needed`);
  const delimiter = declared ?? findDelimiter(body);
  const rows = splitRows(body, delimiter);
  // What is cut off at the end of the part that was read is no row.
  if (!whole && rows.length > 1) rows.pop();
  const [first = [], ...rest] = rows;
  const isHeader = header === 'auto' ? looksLikeHeader(first, rest) : header;
  const fits = !isHeader || rest.some((row) => row.length === first.length);
  const width = fits ? first.length : Math.max(first.length, widthOf(rest, first.length));
  const names = Array.from({ length: width }, (_, i) =>
    isHeader ? (first[i] ?? '').trim() : `column${i}`,
  );
  if (isHeader && width === first.length + 1 && !rest.every((row) => row.at(-1) === '')) {
    // R's write.table: row names have no name in the header.
    names.unshift('');
    names.pop();
  }
  if (header === 'auto') {
    const sample = JSON.stringify(first.slice(0, 4).join(delimiter)).slice(0, 50);
    if (!isHeader) notes.push(`no header: the first line ${sample} is a row (--header yes)`);
    else if (first.some(isPlainNumber)) {
      notes.push(`the first line ${sample} is taken as the header (--header no)`);
    }
  }
  return { delimiter, encoding, skip, header: isHeader, names, notes };
}

function readStart(path: string): { text: string; encoding: CsvHead['encoding']; whole: boolean } {
  const file = openFile('csv', path);
  try {
    let bytes: Buffer = Buffer.alloc(Math.min(file.sizeBytes, HEAD_BYTES));
    readAt(file, bytes, 0);
    let whole = bytes.length === file.sizeBytes;
    if (/\.gz$/i.test(path)) {
      if (bytes.length === 0) throw new DataError('csv', `${path}: empty; not a gzip file`);
      bytes = unzipStart(path, bytes);
      whole &&= bytes.length < HEAD_BYTES;
    }
    const wide = bytes.length > 1 && (bytes.readUInt16LE(0) === 0xfeff ? 'utf-16le' : '');
    const big = bytes.length > 1 && bytes.readUInt16BE(0) === 0xfeff ? 'utf-16be' : wide;
    const text = new TextDecoder(big || 'utf-8').decode(bytes);
    if (text.includes('\0')) {
      throw new DataError('csv', `${path}: holds zero bytes; it is no text file, or damaged`);
    }
    return { text, encoding: big ? 'utf-16' : 'utf-8', whole };
  } finally {
    closeSync(file.fd);
  }
}

function unzipStart(path: string, bytes: Buffer): Buffer {
  try {
    return gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: 1 << 26 });
  } catch (cause) {
    throw new DataError('csv', `${path}: not readable as gzip`, { cause });
  }
}

/** The delimiter that splits the first rows into the same number of cells, at least two. */
function findDelimiter(body: string): string {
  let best = { delimiter: ',', score: 0 };
  for (const delimiter of DELIMITERS) {
    const rows = splitRows(body, delimiter).slice(0, 50);
    const width = widthOf(rows, 1);
    if (width < 2) continue;
    const alike = rows.filter((row) => row.length === width).length / rows.length;
    // A space is in many texts, a comma in many numbers: they win only when clearly better.
    const score = alike - (delimiter === ' ' ? 0.2 : delimiter === ',' ? 0.05 : 0);
    if (score > best.score) best = { delimiter, score };
  }
  return best.delimiter;
}

/** The number of cells that most rows have. */
function widthOf(rows: readonly (readonly string[])[], otherwise: number): number {
  const counts = new Map<number, number>();
  for (const { length } of rows) counts.set(length, (counts.get(length) ?? 0) + 1);
  const [most] = [...counts].toSorted(([, a], [, b]) => b - a);
  return most?.[0] ?? otherwise;
}

/** The first rows of a text, as cells. Quotes may hold delimiters and line ends. */
function splitRows(text: string, delimiter: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = '';
  let quoted = false;
  let start = true;
  for (let i = 0; i <= text.length && rows.length < HEAD_ROWS; i++) {
    const char = text[i] ?? '\n';
    if (quoted) {
      if (char !== '"') cell += char;
      else if (text[i + 1] === '"') cell += text[i++];
      else quoted = false;
    } else if (start && char === '"') {
      quoted = true;
      start = false;
    } else if (char === delimiter || char === '\n') {
      row.push(cell);
      cell = '';
      start = true;
      if (char === delimiter) continue;
      if (row.length > 1 || row[0]?.trim() !== '') rows.push(row);
      row = [];
    } else {
      cell += char;
      start = false;
    }
  }
  return rows;
}

const isNumberOrGap = (cell: string) => isMissing(cell) || isPlainNumber(cell);

function looksLikeHeader(first: readonly string[], rest: readonly (readonly string[])[]): boolean {
  if (first.every(isNumberOrGap)) {
    return areConsecutive(first) && rest.length > 0 && !areConsecutive(rest[0] ?? []);
  }
  const overNumbers = first.some(
    (cell, i) =>
      !isNumberOrGap(cell) &&
      rest.some((row) => isPlainNumber(row[i] ?? '')) &&
      rest.every((row) => isNumberOrGap(row[i] ?? '')),
  );
  if (overNumbers || rest.length === 0) return true;
  // Texts over texts: names differ from one another and are not values of their columns.
  const named = first.filter((cell) => cell.trim() !== '');
  return (
    new Set(named).size === named.length &&
    first.every((cell) => !isPlainNumber(cell)) &&
    first.every((cell, i) => cell === '' || rest.every((row) => row[i] !== cell))
  );
}

/** Integers that go up by one: columns numbered, or named by years. */
function areConsecutive(cells: readonly string[]): boolean {
  return (
    cells.length >= 3 &&
    cells.every((cell) => /^\d+$/.test(cell.trim())) &&
    cells.every((cell, i) => i === 0 || Number(cell) === Number(cells[i - 1]) + 1)
  );
}
