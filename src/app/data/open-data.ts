import type { ArrayData } from '../../data/arrays.js';
import type { DataParts } from '../../data/dataset.js';
import { openDataset } from '../../data/sources.js';

/** Data as settings name them, or rows in memory in place of a name. */
export interface DataSource {
  readonly data: string | ArrayData;
  readonly validation: number | string | ArrayData | null;
  readonly seed: number;
}

/** Opens the data that settings name; without `validation` a data set keeps its own split.
 * @throws DataError for what is missing, damaged or unknown */
export async function openSettingsData({ data, validation, seed }: DataSource): Promise<DataParts> {
  return openDataset(data, validation === null ? { seed } : { validation, seed });
}
