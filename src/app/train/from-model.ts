import type { DataParts } from '../../data/dataset.js';
import { fitStandardization, type Standardization } from '../../data/standardize.js';
import { ConfigError } from '../../base/errors.js';
import { describeModel, type ModelSource, openModel } from '../../models/model-source.js';
import type { NetworkSpecification } from '../../model/specification.js';
import { networkSettings } from '../../settings/network-settings.js';
import type { SettingsSource } from '../../settings/resolve.js';

import type { SettingKey } from '../../settings/keys.js';
import { operandsIn } from '../../engines/compute.js';
import { sameSetting } from '../../settings/given.js';
import type { TrainingSettings } from '../../settings/settings.js';

/**
 * Puts the settings of the network that a run is to begin with (`from`) before the others.
 *
 * @throws ConfigError where the others name another network
 */
export function withModel(sources: readonly SettingsSource[]): SettingsSource[] {
  const from = sources.findLast(({ settings }) => settings.from !== undefined)?.settings.from;
  if (from === undefined || from === null) return [...sources];
  const { specification, loss } = describeModel(from);
  const { ghostPrecision = 'float32', ...network } = { ...networkSettings(specification), loss };
  const asked = sources.findLast(({ settings }) => settings.compute !== undefined)?.settings;
  // Ghosts travel as they did, unless another compute says how.
  const isOther = asked?.compute !== undefined && operandsIn(asked.compute) !== network.compute;
  const known = isOther ? network : { ...network, ghostPrecision };
  for (const { where, settings } of sources) {
    for (const [key, value] of Object.entries(known)) {
      const given = settings[key as SettingKey];
      // How ghosts travel, and what is multiplied, is no matter of the weights.
      const isFree = key === 'ghostPrecision' || key === 'compute';
      if (given === undefined || sameSetting(given, value) || isFree) continue;
      throw new ConfigError(
        where,
        `${key} ${given}, and ${from} has ${key} ${value}; a run that starts from it keeps its ` +
          `network: leave ${key} out`,
      );
    }
  }
  return [{ where: from, settings: known }, ...sources];
}

/**
 * Opens and verifies the model that a new run begins with; null: random weights.
 *
 * @param here ranks of this process: each process of a job hashes its share of the files
 * @throws CheckpointError when it is damaged, ConfigError when the data do not fit it
 */
export function openInitialModel(
  { from, ranks, replicas }: TrainingSettings,
  specification: NetworkSpecification,
  here: readonly number[],
): ModelSource | null {
  if (from === null) return null;
  const share = {
    rank: (here[0] ?? 0) / here.length,
    size: (ranks * replicas) / here.length,
  };
  const model = openModel(from, { share });
  const [a, b] = [specification.ends, model.specification.ends];
  if (a.kind === 'replicated' && b.kind === 'replicated') {
    if (a.inputs === b.inputs && a.outputs === b.outputs) return model;
    throw new ConfigError(
      'from',
      `the data has ${a.inputs} features and ${a.outputs} answers, ${from} takes ${b.inputs} and ` +
        `gives ${b.outputs}`,
    );
  }
  return model;
}

/** `auto` keeps what a model's input has been standardized with. */
export function initialStandardization(
  { standardize }: TrainingSettings,
  data: DataParts,
  model: ModelSource | null,
): Standardization | null {
  if (model !== null && standardize === 'auto') return model.standardization;
  return fitStandardization(data.training, standardize);
}
