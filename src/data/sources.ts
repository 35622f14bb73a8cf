import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { DataError } from '../base/errors.js';
import { editDistance } from '../base/nearest.js';
import { type ArrayData, IN_MEMORY, openArrays } from './arrays.js';
import type { DataParts, TableDataset } from './dataset.js';
import { findIdxImages, isIdxName, readIdx } from './readers/idx.js';
import { readNpy } from './readers/npy.js';
import type { ReadOptions } from './readers/raw-table.js';
import { splitAt, splitRandomly } from './splits.js';
import { teacherParts } from './synthetic/teacher.js';
import { isTeacherName, parseTeacherName } from './synthetic/teacher-spec.js';
import type { ReadTableOptions } from './tables/read-table.js';
import { isTableLocation } from './tables/relation.js';

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
  '.csv, .tsv, .json, .jsonl, .parquet, .npy, .safetensors, IDX (-idx3-ubyte, .gz) or a folder';
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
  const own =
    typeof source === 'string'
      ? await openOwnParts(source, options)
      : { training: openArrays(source), validation: null };
  const { validation } = options;
  if (validation === undefined) return fitted(own);
  if (validation === null) return { training: own.training, validation: null };
  const { training } = own;
  if (training.kind !== 'table') {
    throw new DataError(
      'data',
      `${training.name}: rows are generated; add validation=2048 to the name for rows to validate on`,
    );
  }
  if (typeof validation === 'number') return splitRandomly(training, validation, options.seed ?? 0);
  const second =
    typeof validation === 'string'
      ? (await openPath(validation, options)).training
      : openArrays(validation);
  return fitted({ training, validation: second });
}

/** Whether data are a table. Names and other formats come first: `x.npy` may lie in a folder beside
 * tables. */
export function isTable(location: string): boolean {
  // The question mark of parameters is no pattern.
  if (/^(synthetic|fashion-mnist):/.test(location) || !isTableLocation(location)) return false;
  const has = (name: string) => existsSync(path.join(location, name));
  return !has('x.npy') && findIdxIn(location) === null;
}

function findIdxIn(folder: string): string | null {
  return existsSync(folder) && statSync(folder).isDirectory()
    ? findIdxImages(folder, 'train')
    : null;
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
  const second = await readTable(validation, { ...rest, validation: null, schema });
  const table = { schema, notes: [...notes, ...second.notes], warnings };
  return { training: parts.training, validation: second.parts.training, table };
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
  if (statSync(location).isDirectory()) return openFolder(location, options);
  return { training: await readFile(location, options), validation: null };
}

async function readFile(location: string, options: ReadOptions): Promise<TableDataset> {
  if (isIdxName(location)) return readIdx(location, options);
  switch (path.extname(location).toLowerCase()) {
    case '.npy':
      return readNpy(location, options);
    case '.safetensors': {
      const { readSafetensorsTable } = await import('./readers/safetensors-table.js');
      return readSafetensorsTable(location, options);
    }
    default:
      throw new DataError('data', `${location}: unknown format; ${FORMATS} can be read`);
  }
}

function openFolder(folder: string, options: ReadOptions): DataParts {
  const training = findIdxImages(folder, 'train');
  if (training !== null) {
    const validation = findIdxImages(folder, 't10k');
    return {
      training: readIdx(training, options),
      validation: validation === null ? null : readIdx(validation, options),
    };
  }
  if (existsSync(path.join(folder, 'x.npy'))) {
    return { training: readNpy(folder, options), validation: null };
  }
  const found = readdirSync(folder).slice(0, 6).join(', ') || 'nothing';
  throw new DataError(
    'data',
    `${folder}: holds ${found}; a folder of data holds train-images-idx3-ubyte[.gz] or x.npy`,
  );
}

/** Checks that two files belong together, and gives both as many classes as either needs. */
function fitted({ training, validation }: DataParts): DataParts {
  if (validation === null) return { training, validation };
  const [a, b] = [training.answers, validation.answers];
  const widthOf = (answers: typeof a) => (answers.kind === 'values' ? answers.width : 'labels');
  if (training.features !== validation.features || widthOf(a) !== widthOf(b)) {
    throw new DataError(
      'data',
      `${validation.name}: ${validation.features} features and answers ${widthOf(b)}, but ` +
        `${training.name} has ${training.features} and ${widthOf(a)}; both parts need the same`,
    );
  }
  if (training.kind !== 'table' || validation.kind !== 'table') return { training, validation };
  return { training: widen(training, validation), validation: widen(validation, training) };
}

function widen(table: TableDataset, other: TableDataset): TableDataset {
  if (table.answers.kind !== 'labels' || other.answers.kind !== 'labels') return table;
  const classes = Math.max(table.answers.classes, other.answers.classes);
  return { ...table, answers: { ...table.answers, classes } };
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
