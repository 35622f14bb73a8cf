import { trainOnRanks } from '#src/app/train/train-on-ranks.js';
import { readRunConfig } from '#src/checkpoints/run-folder.js';
import { resolveSettings } from '#src/settings/resolve.js';
import type { TrainingSettings } from '#src/settings/settings.js';

const never = new AbortController().signal;

/** Goes on with a run, with some of its settings changed. */
export async function resume(run: string, settings: Partial<TrainingSettings>) {
  const merged = { ...readRunConfig(run).settings, ...settings };
  const resolved = resolveSettings([{ where: 'test', settings: merged }]);
  return trainOnRanks(
    resolved,
    { onEvent: () => {}, stop: never },
    { runFolder: run, from: 'newest' },
  );
}
