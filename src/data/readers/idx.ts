import { existsSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { DataError } from '../../base/errors.js';
import { sharedUint8, type TableDataset } from '../dataset.js';
import { type OpenFile, readAt, withFile } from '../open-file.js';
import { rowWidth, makeTable, type ReadOptions, requireSameRows } from './raw-table.js';

const WHERE = 'idx';
const UNSIGNED_BYTE = 8;
/** No deflate stream expands further than this. */
const MAX_INFLATION = 1032;

/**
 * Reads images in the IDX format of MNIST, plain or gzipped, with the labels beside them:
 * `train-images-idx3-ubyte[.gz]` goes with `train-labels-idx1-ubyte[.gz]`.
 *
 * @throws DataError
 */
export function readIdx(imagesPath: string, options: ReadOptions): TableDataset {
  const labelsPath = findLabels(imagesPath);
  const images = readFile(imagesPath);
  const labels = readFile(labelsPath);
  if (labels.shape.length !== 1) {
    throw new DataError(WHERE, `${labelsPath}: ${labels.shape.length} dimensions; labels have one`);
  }
  const rows = images.shape[0] as number;
  requireSameRows(WHERE, imagesPath, rows, labels.shape[0] as number);
  return makeTable(
    {
      where: WHERE,
      path: imagesPath,
      rows,
      features: rowWidth(images.shape),
      x: images.bytes,
      y: labels.bytes,
      answerWidth: 1,
      integers: true,
      imageLike: true,
    },
    options,
  );
}

/** Whether a file's name says that it holds IDX images or labels. */
export function isIdxName(file: string): boolean {
  return /idx\d(-ubyte)?(\.gz)?$/.test(file);
}

/** The plain or gzipped images of a folder, `train` or `t10k`; null when it has none. */
export function findIdxImages(folder: string, part: 'train' | 't10k'): string | null {
  const candidates = ['-', '.'].flatMap((separator) =>
    ['', '.gz'].map((end) => path.join(folder, `${part}-images${separator}idx3-ubyte${end}`)),
  );
  return candidates.find((candidate) => existsSync(candidate)) ?? null;
}

function findLabels(imagesPath: string): string {
  const { dir, base } = path.parse(imagesPath);
  const plain = base.replace(/\.gz$/, '');
  const labels = plain.replace(/images([-.])idx\d/, 'labels$1idx1');
  if (labels === plain) {
    const rule = 'images have a name such as train-images-idx3-ubyte, and labels beside them';
    throw new DataError(WHERE, `${imagesPath}: not a name for images; ${rule}`);
  }
  const candidates = [labels, `${labels}.gz`].map((name) => path.join(dir, name));
  const found = candidates.find((candidate) => existsSync(candidate));
  if (found !== undefined) return found;
  throw new DataError(WHERE, `${imagesPath}: no labels beside it; ${labels} or ${labels}.gz`);
}

interface IdxArray {
  readonly shape: readonly number[];
  /** In shared memory. */
  readonly bytes: Uint8Array;
}

function readFile(filePath: string): IdxArray {
  return withFile(WHERE, filePath, (file) =>
    filePath.endsWith('.gz') ? readGzipped(file) : readPlain(file),
  );
}

function readPlain(file: OpenFile): IdxArray {
  const start = new Uint8Array(Math.min(file.sizeBytes, 64));
  readAt(file, start, 0);
  const { shape, headerBytes, dataBytes } = parseHeader(file.path, start);
  if (file.sizeBytes !== headerBytes + dataBytes) {
    throw wrongSize(file.path, shape, dataBytes, file.sizeBytes - headerBytes);
  }
  const bytes = sharedUint8(dataBytes);
  readAt(file, bytes, headerBytes);
  return { shape, bytes };
}

/** Inflates no more than the file's own header declares, and nothing before that is plausible. */
function readGzipped(file: OpenFile): IdxArray {
  const compressed = new Uint8Array(file.sizeBytes);
  readAt(file, compressed, 0);
  const head = inflate(file.path, compressed.subarray(0, 4096), 4096 * MAX_INFLATION, true);
  const { shape, headerBytes, dataBytes } = parseHeader(file.path, head.subarray(0, 64));
  const total = headerBytes + dataBytes;
  if (total > file.sizeBytes * MAX_INFLATION) {
    throw wrongSize(file.path, shape, dataBytes, file.sizeBytes);
  }
  const inflated = inflate(file.path, compressed, total, false);
  if (inflated.length !== total) {
    throw wrongSize(file.path, shape, dataBytes, inflated.length - headerBytes);
  }
  const bytes = sharedUint8(dataBytes);
  bytes.set(inflated.subarray(headerBytes));
  return { shape, bytes };
}

function inflate(
  filePath: string,
  compressed: Uint8Array,
  maxOutputLength: number,
  partial: boolean,
): Uint8Array {
  try {
    // Z_SYNC_FLUSH: a stream cut off is no error, what came out so far is wanted.
    return gunzipSync(compressed, { maxOutputLength, ...(partial ? { finishFlush: 2 } : {}) });
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const what =
      code === 'ERR_BUFFER_TOO_LARGE'
        ? `inflates beyond the ${maxOutputLength} bytes that its header declares`
        : `cannot be inflated (${code}); the file is truncated or damaged`;
    throw new DataError(WHERE, `${filePath}: ${what}`, { cause });
  }
}

function parseHeader(filePath: string, bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 4 || view.getUint16(0) !== 0) {
    throw new DataError(WHERE, `${filePath}: does not start as an IDX file does`);
  }
  const type = view.getUint8(2);
  const dimensions = view.getUint8(3);
  if (type !== UNSIGNED_BYTE) {
    throw new DataError(
      WHERE,
      `${filePath}: elements of type 0x${type.toString(16)}; bytes (0x8) are read`,
    );
  }
  if (dimensions < 1 || dimensions > 8) {
    throw new DataError(WHERE, `${filePath}: ${dimensions} dimensions; 1 to 8 are read`);
  }
  const headerBytes = 4 + 4 * dimensions;
  if (bytes.length < headerBytes) {
    throw new DataError(WHERE, `${filePath}: ends inside its header; the file is truncated`);
  }
  const shape = Array.from({ length: dimensions }, (_, i) => view.getUint32(4 + 4 * i));
  const dataBytes = shape.reduce((product, size) => product * size, 1);
  return { shape, headerBytes, dataBytes };
}

function wrongSize(
  filePath: string,
  shape: readonly number[],
  needed: number,
  present: number,
): DataError {
  const sizes = shape.join(' × ');
  return new DataError(
    WHERE,
    `${filePath}: its header declares ${sizes} = ${needed} bytes but it holds ${present}; ` +
      'the file is truncated or damaged',
  );
}
