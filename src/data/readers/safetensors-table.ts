import { DataError } from '../../base/errors.js';
import { sharedFloat32, sharedUint8, type TableDataset } from '../dataset.js';
import { SafetensorsFile } from '../safetensors.js';
import { type ArrayPair, pairArrays } from './array-names.js';
import { makeTable, type ReadOptions, requireSameRows, rowWidth } from './raw-table.js';

const WHERE = 'safetensors';

/**
 * Reads the tensors `x` [rows, …] and `y` [rows] or [rows, targets] of a safetensors file, or
 * `x_train`, `y_train` and `x_test`, `y_test` to validate on. Integers in a `y` of one column are
 * labels.
 *
 * @throws DataError
 */
export function readSafetensorsTable(
  path: string,
  options: ReadOptions,
): { training: TableDataset; validation: TableDataset | null } {
  const file = new SafetensorsFile(path);
  try {
    const pairs = pairArrays(WHERE, path, [...file.entries.keys()]);
    const { training, validation } = pairs ?? { training: { x: 'x', y: 'y' }, validation: null };
    return {
      training: readPair(file, training, options),
      validation: validation && readPair(file, validation, options),
    };
  } finally {
    file.close();
  }
}

function readPair(file: SafetensorsFile, names: ArrayPair, options: ReadOptions): TableDataset {
  const { path } = file;
  const x = file.entry(names.x);
  const y = file.entry(names.y);
  const rows = x.shape[0] ?? Number.NaN;
  if (!(rows > 0)) {
    throw new DataError(
      WHERE,
      `${path}: ${names.x} is [${x.shape.join(', ')}]; it must be [rows, features]`,
    );
  }
  requireSameRows(WHERE, path, rows, y.shape[0] ?? 0);
  const features = rowWidth(x.shape);
  const isBytes = /^(U8|BOOL)$/;
  const integers = /^([IU]|BOOL)/.test(y.dtype);
  return makeTable(
    {
      where: WHERE,
      path,
      rows,
      features,
      x: isBytes.test(x.dtype)
        ? readBytes(file, names.x, x.byteLength)
        : file.readFloat32(names.x, sharedFloat32(rows * features)),
      y: isBytes.test(y.dtype)
        ? readBytes(file, names.y, y.byteLength)
        : integers
          ? file.readInt32(names.y)
          : file.readFloat32(names.y),
      answerWidth: rowWidth(y.shape),
      integers,
    },
    options,
  );
}

function readBytes(file: SafetensorsFile, name: string, byteLength: number): Uint8Array {
  const bytes = sharedUint8(byteLength);
  file.readBytes(name, bytes);
  return bytes;
}
