import path from 'node:path';
import { existsSync } from 'node:fs';
import { largestPayloadBytes } from '../analysis/cost.js';
import { findLauncher } from '../communicators/mpi/launcher.js';
import { startLoader } from '../data/loader/loader.js';
import { ConfigError } from '../errors.js';
import { validateRanks } from '../model/specification.js';
import { readCheckpointState } from '../training/checkpoint-folder.js';
import type { Evaluation } from '../training/evaluate.js';
import { newestCheckpoint, readRunConfig, type RunConfig } from '../training/run-folder.js';
import { createEngine } from './engines.js';
import type { EvaluationRankData } from './evaluation-rank.js';
import { openSettingsData } from './open-data.js';
import { recordedStandardization } from './resumed-data.js';
import { beforeRanks, joinRanks } from './ranks.js';
import type { EngineChoice, TrainingSettings } from './settings.js';

export interface EvaluationRequest {
  readonly runFolder: string;
  /** Name or path; null: the run's own validation part, or its training part if it had none. */
  readonly data: string | null;
  readonly engine: EngineChoice;
  /** null: as many as the run had. */
  readonly ranks: number | null;
  /** null: the run's. */
  readonly batch: number | null;
  /** Name of a checkpoint in the run, or a path; null: the newest. */
  readonly checkpoint: string | null;
}

export interface EvaluationReport {
  readonly checkpoint: string;
  readonly step: number;
  readonly data: string;
  readonly rows: number;
  readonly loss: number;
  readonly accuracy: number | null;
  readonly engine: string;
  readonly ranks: number;
  readonly elapsedS: number;
  readonly samplesPerS: number;
}

/**
 * Loss and accuracy of a run's checkpoint, on worker threads, or on the processes of an MPI job.
 *
 * @throws CheckpointError, DataError, ConfigError where something is missing or does not fit
 */
export async function evaluateRun(request: EvaluationRequest): Promise<EvaluationReport> {
  const { config, size } = await beforeRanks(() => {
    const recorded = readRunConfig(request.runFolder);
    return { config: recorded, size: ranksOf(request, recorded.settings) };
  });
  const { settings, specification, loss } = config;
  const ranks = await joinRanks({
    size,
    module: new URL('evaluation-rank.js', import.meta.url),
    timeoutS: settings.timeout,
    onMessage: () => {},
  });
  const { checkpoint, data, engine } = await ranks.together(() => prepare(request, config, size));
  const batch = Math.min(request.batch ?? settings.batch, data.rows);
  const loader = startLoader({
    data: {
      training: data,
      validation: data,
    },
    standardization: recordedStandardization(config.data),
    seed: settings.seed,
    shuffle: false,
    consumers: ranks.here.length,
    oneHot: loss === 'mse' && data.answers.kind === 'labels',
    schedule: {
      firstStep: 0,
      steps: 1,
      batchSize: batch,
      microBatches: 1,
      validationRows: data.rows,
      validateEvery: 1,
    },
  });
  const rankData: EvaluationRankData = {
    job: {
      specification,
      loss,
      checkpoint,
      rows: data.rows,
      batch,
    },
    engine: request.engine,
    relaxedSimd: settings.relaxedSimd,
    batches: loader.handle,
  };
  const stagingBytes = Math.max(64 * 1024, largestPayloadBytes(specification, size, batch));
  const started = ranks.start({ data: rankData, threads: { stagingBytes } });
  try {
    const result = (await Promise.race([started.done, loader.failed])) as Evaluation | undefined;
    if (!result) throw new TypeError('rank 0 returned no evaluation');
    return {
      checkpoint,
      step: readCheckpointState(checkpoint).step,
      data: data.name,
      rows: data.rows,
      loss: result.loss,
      accuracy: Number.isNaN(result.accuracy) ? null : result.accuracy,
      engine,
      ranks: size,
      elapsedS: result.elapsedS,
      samplesPerS: data.rows / result.elapsedS,
    };
  } catch (error) {
    started.abort((error as Error).message);
    throw error;
  } finally {
    await loader.close();
  }
}

function ranksOf({ ranks }: EvaluationRequest, settings: TrainingSettings): number {
  const launcher = findLauncher();
  if (launcher === null) return ranks ?? settings.ranks;
  if (ranks === null || ranks === launcher.size) return launcher.size;
  throw new ConfigError(
    'eval',
    `ranks ${ranks}, and ${launcher.name} started ${launcher.size} processes; leave --ranks out`,
  );
}

/** What every process finds out for itself. */
async function prepare(
  request: EvaluationRequest,
  { settings, specification, loss, data: trained }: RunConfig,
  ranks: number,
) {
  const checkpoint = checkpointOf(request);
  const parts = await openSettingsData(
    request.data === null ? settings : { ...settings, data: request.data, validation: null },
  );
  const data = parts.validation ?? parts.training;
  if (!Number.isFinite(data.rows)) {
    throw new ConfigError('eval', `${data.name} has no end and no validation part; give a file`);
  }
  if (data.features !== trained.features) {
    throw new ConfigError(
      'eval',
      `${data.name} has ${data.features} features, the network was trained on ` +
        `${trained.features} (${trained.name})`,
    );
  }
  const answers = data.answers;
  if (loss === 'cross-entropy' && answers.kind !== 'labels') {
    throw new ConfigError('eval', `${data.name} has no labels, the network predicts classes`);
  }
  const outputs =
    specification.ends.kind === 'sharded' ? specification.width : specification.ends.outputs;
  const width = answers.kind === 'labels' ? answers.classes : answers.width;
  if (loss === 'cross-entropy' ? width > outputs : width !== outputs) {
    throw new ConfigError('eval', `${data.name} has ${width} targets, the network has ${outputs}`);
  }
  validateRanks(specification.blocks, ranks);
  const { name: engine } = await createEngine(request.engine, settings);
  return { checkpoint, data, engine };
}

function checkpointOf({ runFolder, checkpoint }: EvaluationRequest): string {
  if (checkpoint === null) return newestCheckpoint(runFolder).folder;
  const inRun = path.join(runFolder, 'checkpoints', checkpoint);
  return existsSync(inRun) ? inRun : checkpoint;
}
