import { readRunConfig, resolveSettings, trainRun, type TrainingSettings } from 'phantom-parallel';

const never = new AbortController().signal;

/** Goes on with a run, with some of its settings changed. */
export async function resume(run: string, settings: Partial<TrainingSettings>) {
  const merged = { ...readRunConfig(run).settings, ...settings };
  const resolved = resolveSettings([{ where: 'test', settings: merged }]);
  return trainRun(resolved, { onEvent: () => {}, stop: never }, { runFolder: run, from: 'newest' });
}
