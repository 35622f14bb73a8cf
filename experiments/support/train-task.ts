// A small network on one of the tasks, trained to the end on one rank.
import { openSettingsData } from '#src/app/data/open-data.js';
import type { DataParts } from '#src/data/dataset.js';
import type { Engine } from '#src/engines/engine.js';
import type { NetworkSpecification } from '#src/model/specification.js';
import { learningRateAt } from '#src/optimizers/schedule.js';
import { SoloTraining } from './solo-training.js';
import { TASKS, type TaskName } from './tasks.js';

export interface TaskTraining {
  readonly engine: Engine;
  readonly task: TaskName;
  /** What is not the same for all: width 128, two hidden layers, four blocks, the task's activation. */
  readonly network: Pick<NetworkSpecification, 'strategy' | 'ghosts'> &
    Partial<NetworkSpecification>;
  /** The highest of a cosine schedule. */
  readonly rate: number;
  readonly seed: number;
}

const opened = new Map<TaskName, DataParts>();

async function dataOf(task: TaskName): Promise<DataParts> {
  const known = opened.get(task);
  if (known !== undefined) return known;
  const data = await openSettingsData({ ...TASKS[task].source, seed: 0 });
  opened.set(task, data);
  return data;
}

/**
 * @returns the validation loss after the last step
 * @throws TrainingError for a loss that is not finite
 */
export async function trainTask(training: TaskTraining): Promise<number> {
  const { engine, task, network, rate, seed } = training;
  const { loss, batch, steps, activation } = TASKS[task];
  const data = await dataOf(task);
  const { answers, features } = data.training;
  const specification: NetworkSpecification = {
    width: 128,
    depth: 2,
    blocks: 4,
    activation,
    ...network,
    ends: {
      kind: 'replicated',
      inputs: features,
      outputs: answers.kind === 'labels' ? answers.classes : answers.width,
    },
  };
  const options = { engine, specification, data, loss, batch, steps, seed, validateEvery: steps };
  const solo = new SoloTraining(options);
  const rates = { schedule: 'cosine', peak: rate, steps, warmupSteps: 0 } as const;
  let last: number | null = null;
  for (let step = 0; step < steps; step++) last = solo.step(step, learningRateAt(step, rates));
  if (last === null) throw new TypeError('no validation after the last step');
  return last;
}
