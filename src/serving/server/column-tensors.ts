import type { NamedColumns } from '../../data/tables/encode-rows.js';
import type { FeatureColumn } from '../../data/tables/schema.js';
import { CodedRows } from './coded-rows.js';
import { badRequest } from './protocol-error.js';
import type { ReadMeans, Tensor } from './tensors.js';

/** Cells that are read in a slice. */
const SLICE = 1 << 12;
/** Integers from here on are not all float32, which numbers of tensors become. */
const INEXACT = 2 ** 24;

/** The datatype that the model's metadata gives for a column; others are taken too. */
export function datatypeOf({ kind }: FeatureColumn): string {
  return kind === 'category' ? 'BYTES' : kind === 'boolean' ? 'BOOL' : 'FP32';
}

/**
 * Rows whose columns are tensors, one for each.
 *
 * @param tensors in any order; those that the model has no column for are passed over, and noted
 * @throws ProtocolError naming what is missing or wrong
 */
export async function readColumns(
  tensors: readonly Tensor[],
  columns: NamedColumns,
  { lease, slices }: ReadMeans,
): Promise<CodedRows> {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  if (byName.size < tensors.length) throw badRequest('two inputs have the same name');
  const lacking = columns.features.filter(({ column }) => !byName.has(column.name));
  if (lacking.length > 0) {
    const names = lacking.map(({ column }) => column.name).join(', ');
    const tensor = lacking.length === 1 ? 'no input is' : 'no inputs are';
    throw badRequest(`${tensor} named ${names}; give x, or a tensor for every column`);
  }
  const coded = new CodedRows(columns, lease);
  for (const { name } of tensors) coded.encoder.seen(name);
  const [first] = tensors as [Tensor];
  const rows = first.rows(null);
  coded.reserve(rows);
  const { width } = coded.encoder;
  for (const [place, { column }] of columns.features.entries()) {
    const tensor = byName.get(column.name) as Tensor;
    if (tensor.rows(null) !== rows) {
      throw badRequest(`${tensor.name} has ${tensor.rows(null)} rows, and ${first.name} ${rows}`);
    }
    const cells = await tensor.cells(rows, { lease, slices });
    const isName = column.kind === 'category';
    for (let from = 0; from < rows; from += SLICE) {
      await slices.run(() => {
        for (let row = from; row < Math.min(rows, from + SLICE); row++) {
          const cell = cells(row);
          if (isName && typeof cell === 'number' && Math.abs(cell) >= INEXACT) {
            const what = `${tensor.name}[${row}] is ${cell}; integers of float32 end at ${INEXACT}`;
            throw badRequest(`${what}: send its column as BYTES`);
          }
          coded.codes[row * width + place] = coded.encoder.code(row, place, cell);
        }
      });
    }
  }
  return coded;
}
