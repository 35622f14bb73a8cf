import type { NetworkSpecification } from '../model/specification.js';
import type { EmissionFactors, RunEnergy } from '../energy/run-energy.js';
import { buildNetwork } from '../model/network.js';
import { EnergyAccount } from './energy-account.js';
import { loadWeights } from '../checkpoints/load-checkpoint.js';
import { Evaluator } from './evaluator.js';
import { LossPass } from './loss-pass.js';
import type { LossName, LossOptions } from '../layers/loss-names.js';
import type { EvaluationMetrics, MetricsShape } from './metrics-shape.js';
import { createObjective } from './objective.js';
import type { TrainingParts } from './trainer.js';

/** An evaluation, resolved. Structured-cloneable. */
export interface EvaluationJob {
  readonly specification: NetworkSpecification;
  readonly loss: LossName;
  readonly lossOptions: LossOptions;
  /** Whether samples have weights. */
  readonly weighted: boolean;
  readonly metrics: MetricsShape;
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
  /** null on other ranks than the first. */
  readonly metrics: EvaluationMetrics | null;
  readonly elapsedS: number;
  readonly energy: RunEnergy;
}

/** What a rank evaluates with. */
export type EvaluationParts = Pick<
  TrainingParts,
  'engine' | 'communicator' | 'control' | 'energy' | 'batches'
>;

/**
 * Loss and accuracy of a checkpoint, on one rank of those that evaluate it.
 *
 * @param parts its batches are those of one pass over the rows for each evaluation
 * @returns one evaluation, or one for each number of ghosts
 */
export function runEvaluation(job: EvaluationJob, parts: EvaluationParts): Evaluation[] {
  const { engine, communicator, control } = parts;
  const { specification, batch } = job;
  const network = buildNetwork(specification, engine, communicator);
  loadWeights(job.weights, network.parameters);
  const { layout } = network;
  const objective = createObjective({ ...job, layout, engine, columns: batch, samples: batch });
  const { phases } = parts.energy;
  const pass = new LossPass({ ...parts, phases, network, objective });
  const evaluator = new Evaluator(pass, job.rows, job.metrics);
  return (job.sweepGhosts ?? [null]).map((ghosts) => {
    const account = new EnergyAccount(parts.energy, control);
    account.setSteady(true);
    const before = performance.now();
    const { loss: mean, accuracy, metrics } = evaluator.evaluate(ghosts);
    const elapsedS = (performance.now() - before) / 1000;
    const { energy } = account.end(0, job.rows, job.factors);
    return { loss: mean, accuracy, metrics, elapsedS, energy };
  });
}
