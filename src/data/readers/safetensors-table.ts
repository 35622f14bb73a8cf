import { DataError } from '../../base/errors.js';
import { sharedFloat32, sharedUint8, type TableDataset } from '../dataset.js';
import { SafetensorsFile } from '../safetensors.js';
import { makeTable, type ReadOptions, requireSameRows, rowWidth } from './raw-table.js';

const WHERE = 'safetensors';

/**
 * Reads the tensors `x` [rows, …] and `y` [rows] or [rows, targets] of a safetensors file. Integers
 * in a `y` of one column are labels.
 *
 * @throws DataError
 */
export function readSafetensorsTable(path: string, options: ReadOptions): TableDataset {
  const file = new SafetensorsFile(path);
  try {
    const x = file.entry('x');
    const y = file.entry('y');
    const rows = x.shape[0] ?? Number.NaN;
    if (!(rows > 0)) {
      throw new DataError(
        WHERE,
        `${path}: x is [${x.shape.join(', ')}]; it must be [rows, features]`,
      );
    }
    requireSameRows(WHERE, path, rows, y.shape[0] ?? 0);
    const features = rowWidth(x.shape);
    const integers = /^[IU]/.test(y.dtype);
    const answerWidth = rowWidth(y.shape);
    return makeTable(
      {
        where: WHERE,
        path,
        rows,
        features,
        x: x.dtype === 'U8' ? readBytes(file, x.byteLength) : readFloats(file, rows * features),
        y: integers ? file.readInt32('y') : file.readFloat32('y'),
        answerWidth,
        integers,
      },
      options,
    );
  } finally {
    file.close();
  }
}

function readBytes(file: SafetensorsFile, byteLength: number): Uint8Array {
  const x = sharedUint8(byteLength);
  file.readBytes('x', x);
  return x;
}

function readFloats(file: SafetensorsFile, count: number): Float32Array {
  return file.readFloat32('x', sharedFloat32(count));
}
