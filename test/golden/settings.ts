import type { TrainingSettings } from '#src/settings/settings.js';

/** The run whose losses are golden, for each strategy. */
export const GOLDEN_SETTINGS: Partial<TrainingSettings> = {
  width: 64,
  depth: 2,
  blocks: 8,
  ghosts: 2,
  data: 'fashion-10k',
  batch: 32,
  steps: 20,
  optimizer: 'adam',
  lr: 0.003,
  seed: 11,
  logEvery: 1,
  validateEvery: 20,
};
