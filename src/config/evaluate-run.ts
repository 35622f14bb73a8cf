import path from 'node:path';
import { existsSync } from 'node:fs';
import { largestPayloadBytes } from '../analysis/cost.js';
import { launchRanks } from '../communicators/threads/launch.js';
import { startLoader } from '../data/loader/loader.js';
import { loadKernelModule } from '../engines/wasm/kernel-module.js';
import { ConfigError } from '../errors.js';
import { validateRanks } from '../model/specification.js';
import { readCheckpointState } from '../training/checkpoint-folder.js';
import type { Evaluation } from '../training/evaluate.js';
import { newestCheckpoint, readRunConfig } from '../training/run-folder.js';
import { createEngine } from './engines.js';
import type { EvaluationRankData } from './evaluation-rank.js';
import { openSettingsData } from './open-data.js';
import type { EngineChoice } from './settings.js';

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
 * Loss and accuracy of a run's checkpoint, on worker threads.
 *
 * @throws CheckpointError, DataError, ConfigError where something is missing or does not fit
 */
export async function evaluateRun(request: EvaluationRequest): Promise<EvaluationReport> {
  const config = readRunConfig(request.runFolder);
  const { settings, specification, loss } = config;
  const checkpoint = checkpointOf(request);
  const parts = await openSettingsData(
    request.data === null ? settings : { ...settings, data: request.data, validation: null },
  );
  const data = parts.validation ?? parts.training;
  if (!Number.isFinite(data.rows)) {
    throw new ConfigError('eval', `${data.name} has no end and no validation part; give a file`);
  }
  if (data.features !== config.data.features) {
    throw new ConfigError(
      'eval',
      `${data.name} has ${data.features} features, the network was trained on ` +
        `${config.data.features} (${config.data.name})`,
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
  const ranks = request.ranks ?? settings.ranks;
  validateRanks(specification.blocks, ranks);
  const batch = Math.min(request.batch ?? settings.batch, data.rows);
  const engine = await createEngine(request.engine, settings);

  const { standardization } = config.data;
  const loader = startLoader({
    data: {
      training: data,
      validation: data,
    },
    standardization: standardization && {
      mean: Float32Array.from(standardization.mean),
      scale: Float32Array.from(standardization.scale),
    },
    seed: settings.seed,
    shuffle: false,
    consumers: ranks,
    oneHot: loss === 'mse' && answers.kind === 'labels',
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
  const launch = launchRanks<Evaluation>({
    size: ranks,
    module: new URL('evaluation-rank.js', import.meta.url),
    data: rankData,
    kernels: loadKernelModule(false),
    timeoutS: settings.timeout,
    stagingBytes: Math.max(64 * 1024, largestPayloadBytes(specification, ranks, batch)),
  });
  try {
    const [result] = await Promise.race([launch.done, loader.failed]);
    if (!result) throw new TypeError('rank 0 returned no evaluation');
    return {
      checkpoint,
      step: readCheckpointState(checkpoint).step,
      data: data.name,
      rows: data.rows,
      loss: result.loss,
      accuracy: Number.isNaN(result.accuracy) ? null : result.accuracy,
      engine: engine.name,
      ranks,
      elapsedS: result.elapsedS,
      samplesPerS: data.rows / result.elapsedS,
    };
  } catch (error) {
    launch.abort((error as Error).message);
    throw error;
  } finally {
    await loader.close();
  }
}

function checkpointOf({ runFolder, checkpoint }: EvaluationRequest): string {
  if (checkpoint === null) return newestCheckpoint(runFolder).folder;
  const inRun = path.join(runFolder, 'checkpoints', checkpoint);
  return existsSync(inRun) ? inRun : checkpoint;
}
