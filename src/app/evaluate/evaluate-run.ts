import { emitWarning } from 'node:process';
import { judgedWeighting } from '../data/weighting.js';
import { isOfClasses, outputsPerTarget } from '../../layers/loss-names.js';
import { largestPayloadBytes, stepCost } from '../../analysis/network-cost.js';
import { findLauncher, type Launcher } from '../../communicators/launcher.js';
import { startLoader } from '../../data/loader/loader.js';
import type { ArrayData } from '../../data/arrays.js';
import type { Dataset } from '../../data/dataset.js';
import { targetScaling } from '../../data/tables/target-scaling.js';
import { ConfigError } from '../../base/errors.js';
import { exchangesGhosts } from '../../layers/strategies.js';
import type { RunEnergy } from '../../energy/run-energy.js';
import {
  type NetworkSpecification,
  validateRanks,
  withFirstGhosts,
} from '../../model/specification.js';
import { inputWidth, outputWidth } from '../../model/specification.js';
import {
  computing,
  describeModel,
  type ModelSource,
  openModel,
} from '../../models/model-source.js';
import type { MetricValues } from '../../metrics/metric-names.js';
import type { Evaluation } from '../../training/evaluate.js';
import { type EvaluationMetrics, metricsShape } from '../../training/metrics-shape.js';
import { withEngine } from '../ranks/engines.js';
import type { EvaluationRankData } from './evaluation-rank.js';
import { holdData, openSettingsData } from '../data/open-data.js';
import { networkSettings } from '../../settings/network-settings.js';
import type { Bind } from '../ranks/binding.js';
import { beforeRanks, joinRanks, rankCount } from '../ranks/ranks.js';
import { resolveSettings } from '../../settings/resolve.js';
import type { EngineChoice } from '../../engines/engine-list.js';
import { describeEngine } from '../../engines/half-products.js';
import type { Dtype } from '../../tensor/tensor.js';
import type { TrainingSettings } from '../../settings/settings.js';

/** What `evaluate` evaluates, and on what. `null` is the default too. */
export interface EvaluateOptions {
  /** A run folder, a checkpoint in one, or a model folder. */
  readonly model: string;
  /** Name, path, or rows in memory. Default: the run's own validation part, or its training part
   * if it had none. */
  readonly data?: string | ArrayData | null;
  /** Default `auto`. */
  readonly engine?: EngineChoice;
  /** What products take. Default: as the network was trained. */
  readonly compute?: Dtype | null;
  /** Worker threads; they divide the network's blocks. Default: as many as the run had; for a model
   * folder, what fits blocks and cores. */
  readonly ranks?: number | null;
  /** Where threads run: `auto` keeps each rank on one NUMA node. Default: as the run was trained. */
  readonly bind?: Bind | null;
  /** Rows at a time. Default: the run's. */
  readonly batch?: number | null;
  /** Of a run: `best`, `last`, `step-100` or a path. Default: the best by validation, or the last
   * where nothing was validated. */
  readonly checkpoint?: string | null;
  /** Numbers of ghosts to evaluate with; `all`: 1, 2, 4, … K. Default: K alone. */
  readonly sweepGhosts?: readonly number[] | 'all' | null;
  /** Takes what slows the ranks down. Default: `process.emitWarning`. */
  readonly onWarning?: (message: string) => void;
}

/** What the first K' ghosts of a network give and cost. */
export interface GhostsPoint {
  /** K' */
  readonly ghosts: number;
  readonly loss: number;
  readonly accuracy: number | null;
  readonly metrics: MetricValues;
  /** Forward, of one rank, a sample. */
  readonly flopsPerSample: number;
  readonly receivedBytesPerSample: number;
  /** Of a sample, on all ranks; null: not measured. */
  readonly energyJ: number | null;
  readonly samplesPerS: number;
}

/** What `evaluate` found, on all rows. */
export interface EvaluationReport {
  readonly checkpoint: string;
  /** null: a model folder has none. */
  readonly step: number | null;
  /** Which checkpoint of the run it is, in words; null: there was no choice. */
  readonly standing: string | null;
  readonly data: string;
  readonly rows: number;
  readonly loss: number;
  readonly accuracy: number | null;
  /** Those of the task: its values, and those of each target or class. */
  readonly metrics: EvaluationMetrics;
  readonly engine: string;
  readonly ranks: number;
  readonly elapsedS: number;
  readonly samplesPerS: number;
  readonly energy: RunEnergy;
  /** One point for each number of ghosts asked for, from few to many; null: nobody asked. */
  readonly sweep: readonly GhostsPoint[] | null;
}

/**
 * Loss and metrics of a run's checkpoint or a model on data, on worker threads or, under an MPI
 * launcher, on the processes of the job.
 *
 * @returns the mean loss over the rows, the share of rows classified correctly (null for numbers),
 *   and what it took: seconds and joules
 * @throws CheckpointError when the model is missing or damaged, DataError when the data are,
 *   ConfigError when they do not fit each other or the ranks
 *
 * @example
 * ```ts
 * import { evaluate } from 'phantom-parallel';
 *
 * const { loss, accuracy } = await evaluate({
 *   model: 'runs/xor',
 *   data: { x: [[0, 1], [1, 1]], y: [1, 0] },
 * });
 * console.log(`loss ${loss}, ${accuracy === null ? 'no' : 100 * accuracy}% correct`);
 * ```
 */
export async function evaluate(
  request: EvaluateOptions,
  launcher: Launcher | null = findLauncher(),
): Promise<EvaluationReport> {
  const { settings, size } = await beforeRanks(launcher, () => {
    const known = settingsOf(request);
    return {
      settings: known,
      size: rankCount('eval', launcher, request.ranks ?? null, known.ranks),
    };
  });
  const ranks = await joinRanks({
    launcher,
    size,
    module: new URL('evaluation-rank.js', import.meta.url),
    timeoutS: settings.timeout,
    bind: request.bind ?? settings.bind,
    onWarning: request.onWarning ?? emitWarning,
    onMessage: () => {},
  });
  const { model, swept, data, release, engine } = await ranks.together(() =>
    prepare(request, settings, size, ranks.here),
  );
  const { specification, loss, lossOptions } = model;
  const batch = Math.min(request.batch ?? settings.batch, data.rows);
  const weighting = judgedWeighting(data);
  const loader = startLoader({
    data: { training: data, validation: null },
    standardization: model.standardization,
    targetScaling: targetScaling(model.schema),
    consumers: ranks.here.length,
    oneHot: !isOfClasses(loss) && data.answers.kind === 'labels',
    weighting,
    schedule: { passes: swept?.length ?? 1, batchSize: batch, validationRows: data.rows },
  });
  const rankData: EvaluationRankData = {
    job: {
      specification,
      loss,
      lossOptions,
      weighted: weighting !== null,
      metrics: metricsShape({
        specification,
        loss,
        lossOptions,
        labels: data.answers.kind === 'labels',
        schema: model.schema,
      }),
      weights: model.weights,
      rows: data.rows,
      batch,
      factors: { carbonIntensityGPerKWh: settings.carbonIntensity, pue: settings.pue },
      sweepGhosts: swept,
    },
    metering: settings,
    place: { ranksHere: ranks.here.length, firstOnMachine: ranks.firstOnMachine },
    engine: request.engine ?? 'auto',
    relaxedSimd: settings.relaxedSimd,
    batches: loader.handle,
  };
  const stagingBytes = Math.max(64 * 1024, largestPayloadBytes(specification, size, batch));
  const started = ranks.start({ data: rankData, threads: { stagingBytes } });
  try {
    const results = (await Promise.race([started.done, loader.failed])) as Evaluation[] | undefined;
    const result = results?.at(-1);
    if (!results || !result) throw new TypeError('rank 0 returned no evaluation');
    const measured = { specification, size, batch, rows: data.rows };
    return {
      checkpoint: model.weights,
      step: model.step,
      standing: model.standing,
      data: data.name,
      rows: data.rows,
      loss: result.loss,
      accuracy: Number.isNaN(result.accuracy) ? null : result.accuracy,
      metrics: metricsOf(result),
      engine,
      ranks: size,
      elapsedS: result.elapsedS,
      samplesPerS: data.rows / result.elapsedS,
      energy: result.energy,
      sweep: swept && results.map((one, i) => pointOf(one, swept[i] ?? 0, measured)),
    };
  } catch (error) {
    started.abort((error as Error).message);
    throw error;
  } finally {
    await loader.close();
    release();
  }
}

/** The run's settings; for a model folder, the usual ones. */
function settingsOf(request: EvaluateOptions): TrainingSettings {
  const { path: where, settings, specification } = describeModel(request.model, request.checkpoint);
  if (settings !== null) return settings;
  if ((request.data ?? null) === null) {
    throw new ConfigError('eval', `${where} is a model without data of its own; give --data`);
  }
  return resolveSettings([{ where, settings: networkSettings(specification) }]);
}

/** What every process finds out for itself. */
async function prepare(
  request: EvaluateOptions,
  settings: TrainingSettings,
  ranks: number,
  here: readonly number[],
) {
  // Each process hashes its share of the files.
  const share = { rank: (here[0] ?? 0) / here.length, size: ranks / here.length };
  const { checkpoint = null, compute = null } = request;
  const model = computing(openModel(request.model, { checkpoint, share }), compute);
  const { specification } = model;
  const swept = sweptGhosts(request.sweepGhosts ?? null, specification);
  const { data: asked = null } = request;
  const parts = await openSettingsData(
    asked === null ? settings : { ...settings, data: asked, validation: null },
    model.schema,
  );
  const release = holdData(parts);
  const data = parts.validation ?? parts.training;
  if (!Number.isFinite(data.rows)) {
    throw new ConfigError('eval', `${data.name} has no end and no validation part; give a file`);
  }
  checkFits(model, data);
  validateRanks(specification.blocks, ranks);
  const { compute: used = 'float32' } = specification;
  const { relaxedSimd } = settings;
  const engine = await withEngine(
    request.engine ?? 'auto',
    { relaxedSimd },
    ({ name, halfProducts }) => describeEngine({ description: name, halfProducts }, used),
  );
  return { model, swept, data, release, engine };
}

/** @throws ConfigError when a network cannot be evaluated on data */
function checkFits({ specification, loss, lossOptions }: ModelSource, data: Dataset): void {
  const inputs = inputWidth(specification);
  if (data.features !== inputs) {
    const what = `${data.name} has ${data.features} features, the network takes ${inputs}`;
    throw new ConfigError('eval', what);
  }
  const { answers } = data;
  if (isOfClasses(loss) && answers.kind !== 'labels') {
    throw new ConfigError('eval', `${data.name} has no labels, the network predicts classes`);
  }
  const outputs = outputWidth(specification);
  const width = answers.kind === 'labels' ? answers.classes : answers.width;
  const wanted = outputs / outputsPerTarget(loss, lossOptions);
  if (isOfClasses(loss) ? width > wanted : width !== wanted) {
    throw new ConfigError('eval', `${data.name} has ${width} targets, the network has ${wanted}`);
  }
}

/** @throws ConfigError for numbers that the network does not have */
function sweptGhosts(
  asked: readonly number[] | 'all' | null,
  { strategy, ghosts }: NetworkSpecification,
): readonly number[] | null {
  if (asked === null) return null;
  if (!exchangesGhosts(strategy)) {
    throw new ConfigError('eval', `a sweep over ghosts of a ${strategy} network, which has none`);
  }
  if (asked === 'all') {
    const octaves = Array.from({ length: Math.ceil(Math.log2(ghosts)) }, (_, i) => 2 ** i);
    return [...octaves, ghosts];
  }
  for (const count of asked) {
    if (Number.isInteger(count) && count >= 1 && count <= ghosts) continue;
    throw new ConfigError('eval', `${count} ghosts; needs 1 to ${ghosts}, which the network has`);
  }
  return [...new Set(asked)].toSorted((a, b) => a - b);
}

function metricsOf({ metrics }: Evaluation): EvaluationMetrics {
  if (metrics === null) throw new TypeError('rank 0 returned no metrics');
  return metrics;
}

function pointOf(
  evaluation: Evaluation,
  ghosts: number,
  measured: { specification: NetworkSpecification; size: number; batch: number; rows: number },
): GhostsPoint {
  const { loss, accuracy, elapsedS, energy } = evaluation;
  const { specification, size, batch, rows } = measured;
  const network = withFirstGhosts(specification, ghosts);
  const { flops, receivedBytes } = stepCost(network, size, batch).forward;
  return {
    ghosts,
    loss,
    accuracy: Number.isNaN(accuracy) ? null : accuracy,
    metrics: metricsOf(evaluation).values,
    flopsPerSample: flops / batch,
    receivedBytesPerSample: receivedBytes / batch,
    energyJ: energy.perSampleJ,
    samplesPerS: rows / elapsedS,
  };
}
