import type { Dataset, DataParts } from '../../data/dataset.js';
import {
  recordStandardization,
  type Standardization,
  standardizationFrom,
} from '../../data/standardize.js';
import { fingerprint } from '../../data/fingerprint.js';
import { ConfigError } from '../../base/errors.js';
import { readRunConfig, type RunConfig } from '../../checkpoints/run-folder.js';

/**
 * The standardization that a run began with, for going on with it.
 *
 * @throws ConfigError when the data are not what the run began with, as far as the record tells
 */
export function resumedStandardization(runFolder: string, data: DataParts): Standardization | null {
  const { data: recorded } = readRunConfig(runFolder);
  const found = describeData(data, null);
  for (const key of ['features', 'trainingRows', 'validationRows'] as const) {
    if (found[key] === recorded[key]) continue;
    throw new ConfigError(
      'resume',
      `${found.name} has ${key} ${found[key]}, the run began with ${recorded[key]} ` +
        `(${recorded.name}); start a new run, or give the same data`,
    );
  }
  return standardizationFrom(recorded.standardization);
}

/** What `config.json` says of the data. */
export function describeData(
  parts: DataParts,
  standardization: Standardization | null,
): RunConfig['data'] {
  const { training, validation } = parts;
  return {
    name: training.name,
    trainingRows: finiteRows(training),
    features: training.features,
    validationRows: validation?.rows ?? 0,
    standardization: recordStandardization(standardization),
    fingerprint: fingerprint(parts),
  };
}

function finiteRows({ rows }: Dataset): number | null {
  return Number.isFinite(rows) ? rows : null;
}
