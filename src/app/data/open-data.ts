import { isOfClasses, type LossName } from '../../layers/loss-names.js';
import type { ArrayData } from '../../data/arrays.js';
import { type DataParts, releaseData } from '../../data/dataset.js';
import { openDataset, type OpenOptions } from '../../data/sources.js';
import type { TableSchema, Task } from '../../data/tables/schema.js';
import type { TrainingSettings } from '../../settings/settings.js';

/** What settings say of the columns of a table. */
type ColumnSettings = Pick<
  TrainingSettings,
  | 'target'
  | 'task'
  | 'ignore'
  | 'categorical'
  | 'id'
  | 'weightColumn'
  | 'header'
  | 'decimal'
  | 'missing'
  | 'bins'
  | 'dataMemory'
  | 'dataCache'
  | 'loss'
>;

/** Data as settings name them, or rows in memory in place of a name. */
export interface DataSource extends Partial<ColumnSettings> {
  readonly data: string | ArrayData;
  readonly validation: number | string | ArrayData | null;
  readonly seed: number;
  readonly standardize?: TrainingSettings['standardize'];
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
  const { data, validation, seed, header = 'auto', dataMemory, dataCache, standardize } = source;
  // A model's own means and scales are taken, unless new ones are asked for.
  const columns =
    schema === null ? columnOptions(source) : { schema, standardize: standardize === 'on' };
  return openDataset(data, {
    seed,
    header: header === 'auto' ? header : header === 'yes',
    ...columns,
    // A fraction of 0 is no rows, also where the data have their own.
    ...(validation === 0 ? { validation: null } : validation !== null && { validation }),
    ...(dataMemory && { memoryBytes: dataMemory }),
    ...(dataCache && { cacheFolder: dataCache }),
  });
}

/** Keeps what holds the rows of a large table until the process ends, or this is called. */
export function holdData(data: DataParts): () => void {
  const release = () => {
    process.off('exit', release);
    releaseData(data);
  };
  if ((data.caches ?? []).length > 0) process.once('exit', release);
  return release;
}

function taskOf(loss: LossName): Task {
  if (loss === 'binary-cross-entropy') return 'multilabel';
  return isOfClasses(loss) ? 'classify' : 'regress';
}

function columnOptions(source: Partial<ColumnSettings>): OpenOptions {
  const { target, task, ignore, categorical, id, loss, weightColumn } = source;
  const { decimal = 'auto', missing = 'fill', bins = 0 } = source;
  return {
    decimal,
    missing,
    bins,
    ...(loss === 'poisson' && { rates: true }),
    ...(loss && { prefers: taskOf(loss) }),
    ...(weightColumn && { weight: weightColumn }),
    ...(target && { targets: target }),
    ...(task && { task }),
    ...(ignore && { ignore }),
    ...(categorical && { categorical }),
    ...(id && { id }),
  };
}
