import type { ArrayData } from '../../data/arrays.js';
import type { DataParts } from '../../data/dataset.js';
import { openDataset, type OpenOptions } from '../../data/sources.js';
import type { TableSchema } from '../../data/tables/schema.js';
import type { TrainingSettings } from '../../settings/settings.js';

/** What settings say of the columns of a table. */
type ColumnSettings = Pick<
  TrainingSettings,
  | 'target'
  | 'task'
  | 'ignore'
  | 'categorical'
  | 'id'
  | 'header'
  | 'decimal'
  | 'missing'
  | 'dataMemory'
  | 'dataCache'
>;

/** Data as settings name them, or rows in memory in place of a name. */
export interface DataSource extends Partial<ColumnSettings> {
  readonly data: string | ArrayData;
  readonly validation: number | string | ArrayData | null;
  readonly seed: number;
}

/**
 * Opens the data that settings name; without `validation` a data set keeps its own split.
 *
 * @param schema of a model: a table is read as this says, whatever settings say of its columns
 * @throws DataError for what is missing, damaged or unknown
 */
export async function openSettingsData(
  source: DataSource,
  schema: TableSchema | null = null,
): Promise<DataParts> {
  const { data, validation, seed } = source;
  const columns = schema === null ? columnOptions(source) : { schema };
  return openDataset(data, { seed, ...columns, ...(validation !== null && { validation }) });
}

function columnOptions(source: Partial<ColumnSettings>): OpenOptions {
  const { target, task, ignore, categorical, id, dataMemory, dataCache } = source;
  const { header = 'auto', decimal = 'auto', missing = 'fill' } = source;
  return {
    header: header === 'auto' ? header : header === 'yes',
    decimal,
    missing,
    ...(target && { targets: target }),
    ...(task && { task }),
    ...(ignore && { ignore }),
    ...(categorical && { categorical }),
    ...(id && { id }),
    ...(dataMemory && { memoryBytes: dataMemory }),
    ...(dataCache && { cacheFolder: dataCache }),
  };
}
