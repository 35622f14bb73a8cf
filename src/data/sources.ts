import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { DataError } from '../base/errors.js';
import { editDistance } from '../base/nearest.js';
import { type ArrayData, IN_MEMORY, openArrays } from './arrays.js';
import type { DataParts, Dataset } from './dataset.js';
import { schemaOfClasses, shareClasses } from './class-names.js';
import { findIdxImages, readIdx } from './readers/idx.js';
import type { ReadOptions } from './readers/raw-table.js';
import { ARRAY_READERS } from './readers/reader-list.js';
import { splitAt, splitRandomly } from './splits.js';
import { teacherParts } from './synthetic/teacher.js';
import { isTeacherName, parseTeacherName } from './synthetic/teacher-spec.js';
import type { ReadTableOptions } from './tables/read-table.js';
import { isTableLocation } from './tables/relation.js';
import { classNames } from './tables/schema.js';

/** How a data set is read and split. */
export interface OpenOptions extends ReadOptions, Omit<ReadTableOptions, 'validation' | 'seed'> {
  /**
   * What to validate on: a fraction of the rows (0 to 1, neither included), the path of a second
   * file, rows in memory, or null for nothing. Default: the split of a known data set, nothing for a
   * file or rows in memory.
   */
  readonly validation?: number | string | ArrayData | null;
  /** Chooses the rows of a validation fraction. Default 0. */
  readonly seed?: number;
}

/** Data sets that are known by name, for help texts. */
export const KNOWN_DATASETS: Readonly<Record<string, string>> = {
  'fashion-10k': '10,000 images of clothes, 28×28 in 10 classes, part of this package',
  'fashion-mnist': '70,000 images of clothes from Debian, or fashion-mnist:/folder',
  steam: '60,000 states of water with seven properties and the phase, part of this package',
  'synthetic:teacher': 'rows of a random network, without end; synthetic:teacher?widths=64,256,10',
};

const FORMATS =
  '.csv, .tsv, .json, .jsonl, .parquet, .npy, .npz, .safetensors, IDX (-idx3-ubyte, .gz) or a folder';
const FASHION_FOLDER = '/usr/share/datasets/fashion-mnist';
const FASHION_10K_TRAINING_ROWS = 8000;

/**
 * Opens data by name (see `KNOWN_DATASETS`) or path, or rows in memory.
 *
 * @throws DataError for what is missing, damaged, unknown, or does not fit its validation part.
 */
export async function openDataset(
  source: string | ArrayData,
  options: OpenOptions = {},
): Promise<DataParts> {
  if (typeof source === 'string' && isTable(source)) return openTable(source, options);
  const read = arrayOptions(source, options);
  const own =
    typeof source === 'string'
      ? await openOwnParts(source, read)
      : { training: openArrays(source), validation: null };
  const { validation } = options;
  const known = options.schema ? classNames(options.schema) : null;
  if (validation === undefined) return fitted(own, known);
  const { training } = own;
  if (validation === null) return fitted({ training, validation: null }, known);
  if (training.kind !== 'table') {
    throw new DataError(
      'data',
      `${training.name}: rows are generated; add validation=2048 to the name for rows to validate on`,
    );
  }
  if (typeof validation === 'number') {
    return fitted(splitRandomly(training, validation, options.seed ?? 0), known);
  }
  const answers = training.answers.kind;
  const second =
    typeof validation === 'string'
      ? (await openPath(validation, { ...read, answers })).training
      : openArrays(validation);
  return fitted({ training, validation: second }, known);
}

/** @throws DataError for what is said of columns, which arrays do not have */
function arrayOptions(source: string | ArrayData, options: OpenOptions): ReadOptions {
  const { targets, ignore, categorical, id, schema } = options;
  const name = typeof source === 'string' ? source : IN_MEMORY;
  for (const [flag, value] of Object.entries({ target: targets, ignore, categorical, id })) {
    if (value === undefined) continue;
    const what = 'has no columns with names';
    throw new DataError('data', `${name} ${what}; --${flag} is for tables: leave it out`);
  }
  const task = schema?.task ?? options.task;
  if (task === 'classify') return { answers: 'labels' };
  return task === 'regress' ? { answers: 'values' } : options;
}

/** Whether data are a table. Names and other formats come first: `x.npy` may lie in a folder beside
 * tables. */
export function isTable(location: string): boolean {
  // The question mark of parameters is no pattern.
  if (/^(synthetic|fashion-mnist):/.test(location) || !isTableLocation(location)) return false;
  return !isFolder(location) || ARRAY_READERS.every(({ find }) => find(location) === null);
}

function isFolder(location: string): boolean {
  // A query may be longer than a name can be, which `statSync` throws for.
  return existsSync(location) && statSync(location).isDirectory();
}

async function openTable(location: string, options: OpenOptions): Promise<DataParts> {
  const { readTable } = await import('./tables/read-table.js');
  const { validation = null, ...rest } = options;
  if (typeof validation === 'object' && validation !== null) {
    throw new DataError('data', 'validation rows in memory go with training rows in memory');
  }
  const share = typeof validation === 'number' ? validation : null;
  const { parts, schema, notes, warnings } = await readTable(location, {
    ...rest,
    validation: share,
  });
  if (typeof validation !== 'string') return { ...parts, table: { schema, notes, warnings } };
  const given = { ...rest, validation: null, schema, standardize: false };
  const second = await readTable(validation, given);
  const table = { schema, notes: [...notes, ...second.notes], warnings };
  const caches = [...(parts.caches ?? []), ...(second.parts.caches ?? [])];
  return { training: parts.training, validation: second.parts.training, table, caches };
}

async function openOwnParts(name: string, options: OpenOptions): Promise<DataParts> {
  if (isTeacherName(name)) return teacherParts(parseTeacherName(name));
  if (name === 'fashion-10k') return openFashion10k(options);
  if (name === 'fashion-mnist') return openFashionMnist(FASHION_FOLDER, options);
  if (name.startsWith('fashion-mnist:')) {
    return openFashionMnist(name.slice('fashion-mnist:'.length), options);
  }
  return openPath(name, options);
}

function openFashion10k(options: ReadOptions): DataParts {
  const folder = fileURLToPath(new URL('../../datasets/fashion-10k', import.meta.url));
  const images = readIdx(path.join(folder, 'images-idx3-ubyte.gz'), options);
  return splitAt({ ...images, name: 'fashion-10k' }, FASHION_10K_TRAINING_ROWS);
}

function openFashionMnist(folder: string, options: ReadOptions): DataParts {
  const training = findIdxImages(folder, 'train');
  const validation = findIdxImages(folder, 't10k');
  if (training === null || validation === null) {
    throw new DataError(
      'data',
      `fashion-mnist: no train-images-idx3-ubyte and t10k-images-idx3-ubyte in ${folder}; ` +
        'apt-get install dataset-fashion-mnist, or fashion-mnist:/folder',
    );
  }
  return {
    training: { ...readIdx(training, options), name: 'fashion-mnist' },
    validation: { ...readIdx(validation, options), name: 'fashion-mnist' },
  };
}

async function openPath(location: string, options: ReadOptions): Promise<DataParts> {
  if (location === IN_MEMORY) {
    throw new DataError(
      'data',
      'the rows were in memory and are in no file; give them again, { data: { x, y } }, or name a ' +
        'file with --data (and --validation)',
    );
  }
  if (!existsSync(location)) throw notFound(location);
  if (isFolder(location)) return openFolder(location, options);
  const reader = ARRAY_READERS.find(({ takes }) => takes(location));
  if (reader !== undefined) return reader.read(location, options);
  throw new DataError('data', `${location}: unknown format; ${FORMATS} can be read`);
}

async function openFolder(folder: string, options: ReadOptions): Promise<DataParts> {
  for (const { find, read } of ARRAY_READERS) {
    const found = find(folder);
    if (found === null) continue;
    const { training } = await read(found.training, options);
    const { validation } = found;
    if (validation === null) return { training, validation };
    const answers = training.answers.kind;
    return { training, validation: (await read(validation, { ...options, answers })).training };
  }
  const found = readdirSync(folder).slice(0, 6).join(', ') || 'nothing';
  const known = ARRAY_READERS.map(({ about }) => about).filter((about) => !about.startsWith('.'));
  throw new DataError(
    'data',
    `${folder}: holds ${found}; a folder of data holds ${known.join(', ')} or tables`,
  );
}

/** Checks that two parts belong together, and gives their labels the same classes. */
function fitted({ training, validation }: DataParts, known: readonly string[] | null): DataParts {
  if (validation !== null) requireSameShape(training, validation);
  if (training.kind !== 'table') return { training, validation };
  const tables = validation?.kind === 'table' ? [training, validation] : [training];
  const shared = shareClasses(tables, known);
  const [first = training, second = null] = shared.parts;
  const parts = { training: first, validation: second };
  if (shared.names === null || known !== null) return parts;
  return {
    ...parts,
    table: { schema: schemaOfClasses(first, shared.names), notes: [], warnings: [] },
  };
}

/** @throws DataError for parts of unequal features or answers */
function requireSameShape(training: Dataset, validation: Dataset): void {
  const [a, b] = [training.answers, validation.answers];
  const widthOf = (answers: typeof a) => (answers.kind === 'values' ? answers.width : 'labels');
  if (training.features === validation.features && widthOf(a) === widthOf(b)) return;
  throw new DataError(
    'data',
    `${validation.name}: ${validation.features} features and answers ${widthOf(b)}, but ` +
      `${training.name} has ${training.features} and ${widthOf(a)}; both parts need the same`,
  );
}

function notFound(name: string): DataError {
  if (/[/\\]/.test(name) || path.extname(name) !== '') {
    return new DataError('data', `${name}: no such file or folder`);
  }
  const known = Object.keys(KNOWN_DATASETS);
  const nearest = known.toSorted((a, b) => editDistance(name, a) - editDistance(name, b))[0];
  return new DataError(
    'data',
    `unknown data set ${name}; did you mean ${nearest}? Known are ${known.join(', ')}, or a path`,
  );
}
