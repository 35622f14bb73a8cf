import type { BatchReader } from '../data/loader/batches.js';
import type { NetworkSpecification } from '../model/specification.js';
import type { EmissionFactors, RunEnergy } from '../energy/run-energy.js';
import { buildNetwork } from '../model/network.js';
import { createOptimizer } from '../optimizers/optimizer.js';
import { EnergyAccount } from './energy-account.js';
import { loadWeights } from '../checkpoints/load-checkpoint.js';
import { Stepper } from './stepper.js';
import { createObjective } from './objective.js';
import type { TrainingParts } from './trainer.js';

/** An evaluation, resolved. Structured-cloneable. */
export interface EvaluationJob {
  readonly specification: NetworkSpecification;
  readonly loss: 'mse' | 'cross-entropy';
  /** Folder of the weights, verified. */
  readonly weights: string;
  readonly rows: number;
  readonly batch: number;
  /** Evaluates once for each number of ghosts, all on the same weights; null: once, with all. */
  readonly sweepGhosts: readonly number[] | null;
  readonly factors: EmissionFactors;
}

export interface Evaluation {
  readonly loss: number;
  readonly accuracy: number;
  readonly elapsedS: number;
  readonly energy: RunEnergy;
}

/**
 * Loss and accuracy of a checkpoint, on one rank of those that evaluate it.
 *
 * @param parts its batches are, for each evaluation, one of training, which is passed over, then
 *   those of a validation
 * @returns one evaluation, or one for each number of ghosts
 */
export function runEvaluation(
  job: EvaluationJob,
  parts: Pick<TrainingParts, 'engine' | 'communicator' | 'control' | 'energy'> & {
    batches: BatchReader;
  },
): Evaluation[] {
  const { engine, communicator, control, batches } = parts;
  const { specification, loss, batch } = job;
  const network = buildNetwork(specification, engine, communicator);
  loadWeights(job.weights, network.parameters);
  const objective = createObjective(specification, loss, network.layout, engine, batch, batch);
  const none = {
    name: 'sgd',
    weightDecay: 0,
    momentum: 0,
    beta1: 0,
    beta2: 0,
    epsilon: 0,
  } as const;
  const stepper = new Stepper({
    engine,
    communicator,
    phases: parts.energy.phases,
    control,
    replicas: null,
    network,
    objective,
    batches,
    optimizer: createOptimizer(none, engine, network.parameters),
    batchSize: batch,
    microBatches: 1,
    nestedGhosts: null,
    clipNorm: null,
    stopRequested: () => false,
  });
  return (job.sweepGhosts ?? [null]).map((ghosts) => {
    if (ghosts !== null) network.useGhosts(ghosts);
    batches.next();
    const account = new EnergyAccount(parts.energy, control);
    const before = performance.now();
    const result = stepper.validate(job.rows);
    const elapsedS = (performance.now() - before) / 1000;
    const { energy } = account.end(0, job.rows, job.factors);
    return { ...result, elapsedS, energy };
  });
}
