import { checkLoss, checkRates, usualLoss } from './check-loss.js';
import type { Weighting } from '../../data/loader/batch-options.js';
import { judgedWeighting, trainingWeighting } from '../data/weighting.js';
import os from 'node:os';
import { stepCost } from '../../analysis/network-cost.js';
import { rankMemory } from '../../analysis/step-memory.js';
import { plural } from '../../base/format.js';
import type { AnswerShape, DataParts } from '../../data/dataset.js';
import { ConfigError, DataError, UnsupportedError } from '../../base/errors.js';
import {
  type NetworkEnds,
  type NetworkSpecification,
  validateRanks,
  validateSpecification,
  widthsOf,
} from '../../model/specification.js';
import {
  canBeSharded,
  isOfClasses,
  type LossName,
  type LossOptions,
  outputsPerTarget,
} from '../../layers/loss-names.js';
import { splitEnds } from '../../model/split-ends.js';
import { networkOf } from '../../settings/network-settings.js';
import { lossOptionsOf } from '../../settings/loss-settings.js';
import { METRICS } from '../../metrics/metric-names.js';
import { metricNames, type MetricsShape, metricsShape } from '../../training/metrics-shape.js';
import type { Engine } from '../../engines/engine.js';
import type { TrainingSettings } from '../../settings/settings.js';

/** What settings come to once the data are known. */
export interface RunPlan {
  readonly specification: NetworkSpecification;
  readonly loss: LossName;
  readonly metrics: MetricsShape;
  readonly lossOptions: LossOptions;
  /** How much samples count; null: all the same. */
  readonly weighting: Weighting | null;
  /** Labels are written as one-hot targets: a squared error on labels. */
  readonly oneHot: boolean;
  readonly steps: number;
  /** Steps between validations; 0: none. */
  readonly validateEvery: number;
}

/** @throws ConfigError when settings and data do not fit one another */
export function planRun(settings: TrainingSettings, data: DataParts): RunPlan {
  const { training, validation } = data;
  const answers: AnswerShape = training.answers;
  refuseOneClass(training);
  const schema = data.table?.schema ?? null;
  const loss = settings.loss ?? usualLoss(answers, schema);
  checkLoss(loss, training, schema);
  checkRates(loss, training, schema);
  const lossOptions = lossOptionsOf(settings);
  const targets = answers.kind === 'labels' ? answers.classes : answers.width;
  const outputs = targets * outputsPerTarget(loss, lossOptions);
  const ends = endsOf(settings, training.features, outputs, loss);
  const network = networkOf(settings, settings.strategy, ends);
  const specification = { ...network, ...splitEnds(network, settings, loss) };
  validateSpecification(specification);
  checkSplit(settings, specification, loss);
  validateRanks(specification.blocks, settings.ranks);
  const labels = answers.kind === 'labels';
  const metrics = metricsShape({ specification, loss, lossOptions, labels, schema });
  checkBestBy(settings, metrics);
  if (validation !== null) judgedWeighting(validation);
  return {
    specification,
    loss,
    metrics,
    lossOptions,
    weighting: trainingWeighting(training, schema, settings.classWeights),
    oneHot: !isOfClasses(loss) && answers.kind === 'labels',
    steps: stepsOf(settings, training.rows),
    validateEvery: validation === null ? 0 : validateEveryOf(settings, training.rows),
  };
}

/** @throws ConfigError when the best is to be judged by a metric that the task does not have */
function checkBestBy({ bestBy }: TrainingSettings, shape: MetricsShape): void {
  const ranked = metricNames(shape).filter((name) => METRICS[name].better !== null);
  const names: readonly string[] = ['loss', ...ranked];
  if (bestBy === null || names.includes(bestBy)) return;
  throw new ConfigError(
    'best-by',
    `${bestBy} of a network that ${shape.task === 'regress' ? 'fits numbers' : 'classifies'}; it is ` +
      `judged by ${names.join(', ')}`,
  );
}

/** Ends that were asked for by name are there, or the run does not begin. */
function checkSplit(
  { input, head }: TrainingSettings,
  { ends }: NetworkSpecification,
  loss: LossName,
): void {
  const asked = [input, head].find((choice) => choice === 'phantom' || choice === 'gather');
  if (asked !== undefined && ends.kind === 'sharded') {
    throw new ConfigError(
      'network',
      `${input === asked ? 'input' : 'head'} ${asked}, and features and targets are as wide as ` +
        'the layers, which then have neither input nor head; add ends replicated',
    );
  }
  if (canBeSharded(loss) || (head !== 'phantom' && head !== 'gather')) return;
  throw new ConfigError(
    'network',
    `head ${head} with ${loss}; it needs mse, mae, huber or poisson: use head replicated`,
  );
}

function endsOf(
  settings: TrainingSettings,
  inputs: number,
  outputs: number,
  loss: LossName,
): NetworkEnds {
  const { ends } = settings;
  const widths = widthsOf({ ...settings, widths: settings.widths ?? undefined });
  const [first = 0, last = 0] = [widths[0], widths.at(-1)];
  const fits = inputs === first && outputs === last && canBeSharded(loss);
  if (ends === 'sharded' && !fits) {
    throw new ConfigError(
      'network',
      `sharded ends need features = targets = width and mse, mae, huber or ` +
        `poisson; here are ${inputs} features, ` +
        `${outputs} targets, width ${first === last ? first : `${first} to ${last}`}, ${loss}`,
    );
  }
  return ends === 'sharded' || (ends === 'auto' && fits)
    ? { kind: 'sharded' }
    : { kind: 'replicated', inputs, outputs };
}

function stepsOf({ steps, epochs, batch, replicas }: TrainingSettings, rows: number): number {
  if (steps !== null) return steps;
  if (!Number.isFinite(rows)) {
    throw new ConfigError('steps', 'the data has no end and so no epochs; set --steps');
  }
  return Math.ceil(((epochs ?? 1) * rows) / (batch * replicas));
}

function validateEveryOf(
  { validateEvery, batch, replicas }: TrainingSettings,
  rows: number,
): number {
  if (validateEvery !== null) return validateEvery;
  return Number.isFinite(rows) ? Math.max(1, Math.ceil(rows / (batch * replicas))) : 500;
}

/** @returns a warning where a step takes more rows than there are, and so takes some again */
export function largeBatch(
  { batch, replicas, epochs }: TrainingSettings,
  { steps }: RunPlan,
  rows: number,
): string | null {
  const taken = batch * replicas;
  if (taken <= rows) return null;
  const length =
    epochs === null
      ? ''
      : `${plural(epochs, 'epoch')} ${epochs === 1 ? 'is' : 'are'} ${plural(steps, 'step')}, and `;
  const times = Math.floor(taken / rows);
  return (
    `the data has ${plural(rows, 'row')}, fewer than a batch of ${taken}: ${length}a step takes each row ` +
    `${times === 1 ? 'once' : `${times} times`} or more; a smaller --batch makes more steps`
  );
}

/** @throws DataError when all rows are of one class: there is nothing to tell apart */
function refuseOneClass(training: DataParts['training']): void {
  if (training.kind !== 'table' || training.answers.kind !== 'labels') return;
  const { labels, names } = training.answers;
  const [first = 0] = labels;
  if (labels.some((label) => label !== first)) return;
  const what = `all ${plural(training.rows, 'row')} are of the class ${names?.[first] ?? first}`;
  throw new DataError('data', `${training.name}: ${what}; there is nothing to tell apart`);
}

/** Memory that ranks find. */
export interface Room extends Pick<Engine, 'capacityBytes' | 'devices' | 'besideBytes'> {
  /** What collectives take of a rank's device. */
  readonly collectiveBytes: number;
}

/**
 * @param room memory that an engine can address: that of a rank, or of a device that ranks share
 * @param onMachine ranks on this machine; with devices, those that take these in turn
 * @returns a warning when the ranks need more of the host's memory than this machine has
 * @throws UnsupportedError when ranks do not fit their engine's memory, with the sizes
 */
export function checkMemory(
  { specification, loss, lossOptions, weighting }: RunPlan,
  settings: TrainingSettings,
  { capacityBytes, devices, besideBytes, collectiveBytes }: Room,
  onMachine: number,
): string | null {
  const columns = settings.batch / settings.accumulate;
  const { ranks, optimizer, ema } = settings;
  const quantiles = outputsPerTarget(loss, lossOptions);
  const sizes = { ranks, columns, quantiles, weighted: weighting !== null };
  const rest = { loss, optimizer, average: ema !== null, inputGradient: false };
  const shape = { specification, ...sizes, ...rest };
  const bytes = rankMemory(shape, 0);
  const gib = (count: number) => `${(count / 2 ** 30).toFixed(2)} GiB`;
  const sharing = devices === 0 ? 1 : Math.ceil(onMachine / devices);
  const neededBytes = bytes.totalBytes + collectiveBytes;
  const others = (sharing - 1) * besideBytes;
  if (sharing * neededBytes + others > capacityBytes) {
    const held =
      sharing === 1 ? 'its engine can address' : `${sharing} ranks share a device, which has`;
    throw new UnsupportedError(
      'memory',
      `a rank needs ${gib(neededBytes)} (parameters ${gib(bytes.parameterBytes)}, gradients ` +
        `${gib(bytes.gradientBytes)}, ${optimizer} state ${gib(bytes.optimizerBytes)}, ` +
        `average ${gib(bytes.averageBytes)}, ` +
        `activations ${gib(bytes.activationBytes)}, buffers ${gib(bytes.bufferBytes)}` +
        (collectiveBytes === 0 ? '' : `, exchanges between devices ${gib(collectiveBytes)}`) +
        (others === 0 ? '' : `, and ${gib(besideBytes)} each beside them from the second rank on`) +
        `), ${held} ${gib(capacityBytes)}; use more ` +
        `${devices === 0 ? 'ranks' : 'devices'}, a smaller width or batch, or --accumulate`,
    );
  }
  if (devices > 0) {
    if (sharing === 1) return null;
    const which = plural(devices, 'device');
    const remedy = 'one rank has all its blocks on a device without copies between them';
    return `${onMachine} ranks on ${which}: they take turns; ${remedy}`;
  }
  const all = bytes.totalBytes * onMachine;
  if (all <= os.totalmem()) return null;
  return `${onMachine} ranks need ${gib(all)}, this machine has ${gib(os.totalmem())}`;
}

/** @returns a warning when a low precision sends more than float32 would, as it can with
 *   many blocks on a rank */
export function costlyPrecision(
  { specification }: RunPlan,
  { ranks, batch, accumulate }: TrainingSettings,
): string | null {
  const sent = (network: NetworkSpecification) =>
    stepCost(network, ranks, batch / accumulate).total.sentBytes;
  const { compute = 'float32', ghostPrecision } = specification;
  const inFloat32 = { compute: 'float32', ghostPrecision: 'float32' } as const;
  const [own, plain] = [sent(specification), sent({ ...specification, ...inFloat32 })];
  if (own <= plain) return null;
  const what = compute === 'float32' ? `ghosts in ${ghostPrecision}` : `layers in ${compute}`;
  return (
    `${what} send ${(own / plain).toFixed(2)} times the bytes of ` +
    `float32 with ${specification.blocks / ranks} blocks per rank; use more ranks, or float32`
  );
}
