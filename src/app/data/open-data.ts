import type { DataParts } from '../../data/dataset.js';
import { openDataset } from '../../data/sources.js';
import type { TrainingSettings } from '../../settings/settings.js';

/** Opens the data that settings name; without `validation` a data set keeps its own split.
 * @throws DataError for what is missing, damaged or unknown */
export async function openSettingsData({
  data,
  validation,
  seed,
}: Pick<TrainingSettings, 'data' | 'validation' | 'seed'>): Promise<DataParts> {
  return openDataset(data, validation === null ? { seed } : { validation, seed });
}
