import path from 'node:path';
import type { TableDataset } from '../dataset.js';
import { findIdxImages, isIdxName, readIdx } from './idx.js';
import { findNpy, readNpy } from './npy.js';
import { readNpz } from './npz.js';
import type { ReadOptions } from './raw-table.js';

/** Rows to train on, and to validate on where the files have such a part. */
export interface ArrayParts {
  readonly training: TableDataset;
  readonly validation: TableDataset | null;
}

/** A format of arrays: files by their names, and where it can be, folders by what they hold. */
interface ArrayReader {
  readonly about: string;
  readonly takes: (file: string) => boolean;
  /** @throws DataError for a damaged file */
  readonly read: (file: string, options: ReadOptions) => ArrayParts | Promise<ArrayParts>;
  /** The files of a folder that hold features; null: it has none. */
  readonly find: (folder: string) => { training: string; validation: string | null } | null;
}

const hasEnding = (ending: string) => (file: string) => path.extname(file).toLowerCase() === ending;
const alone = (training: TableDataset): ArrayParts => ({ training, validation: null });
const nothing = () => null;

/** Every format of arrays; the first that takes a file or folder reads it. */
export const ARRAY_READERS: readonly ArrayReader[] = [
  {
    about: 'train-images-idx3-ubyte[.gz]',
    takes: isIdxName,
    read: (file, options) => alone(readIdx(file, options)),
    find(folder) {
      const training = findIdxImages(folder, 'train');
      return training === null ? null : { training, validation: findIdxImages(folder, 't10k') };
    },
  },
  {
    about: 'x.npy or X_train.npy',
    takes: hasEnding('.npy'),
    read: (file, options) => alone(readNpy(file, options)),
    find: findNpy,
  },
  { about: '.npz', takes: hasEnding('.npz'), read: readNpz, find: nothing },
  {
    about: '.safetensors',
    takes: hasEnding('.safetensors'),
    async read(file, options) {
      const { readSafetensorsTable } = await import('./safetensors-table.js');
      return readSafetensorsTable(file, options);
    },
    find: nothing,
  },
];
