import { rmSync } from 'node:fs';
import path from 'node:path';
import { largestPayloadBytes } from '../analysis/cost.js';
import {
  createThreadsGroup,
  MAXIMUM_RANKS,
  type ThreadsGroupOptions,
} from '../communicators/threads/group.js';
import { ConfigError } from '../errors.js';
import { launchRanks } from '../communicators/threads/launch.js';
import { startLoader } from '../data/loader/loader.js';
import { fitStandardization } from '../data/standardize.js';
import { loadKernelModule } from '../engines/wasm/kernel-module.js';
import { listCheckpoints } from '../training/checkpoint-folder.js';
import type { EndEvent, TrainingEvent } from '../training/events.js';
import {
  configHash,
  createRunFolder,
  describeMachine,
  newestCheckpoint,
  trimMetrics,
  writeRunConfig,
} from '../training/run-folder.js';
import type { TrainingJob } from '../training/trainer.js';
import { readCheckpointState } from '../training/checkpoint-folder.js';
import { createEngine } from './engines.js';
import { openSettingsData } from './open-data.js';
import { describeData, resumedStandardization } from './resumed-data.js';
import { checkMemory, planRun, type RunPlan } from './plan-run.js';
import type { TrainingSettings } from './settings.js';
import type { Mesh, TrainingRankData } from './training-rank.js';

export interface RunHooks {
  readonly onEvent: (event: TrainingEvent) => void;
  /** When it fires, the run writes a checkpoint after the current step and ends. */
  readonly stop: AbortSignal;
}

/**
 * Trains on `settings.ranks` worker threads and keeps everything in a run folder.
 *
 * @param resumeFolder run folder to go on with, from its newest checkpoint; null: a new run
 * @throws ConfigError, DataError, UnsupportedError before any rank starts; what ends a rank later
 */
export async function trainRun(
  settings: TrainingSettings,
  hooks: RunHooks,
  resumeFolder: string | null,
): Promise<EndEvent> {
  const data = await openSettingsData(settings);
  const run = planRun(settings, data);
  const standardization =
    resumeFolder === null
      ? fitStandardization(data.training, settings.standardize)
      : resumedStandardization(resumeFolder, data);
  const recordedData = describeData(data, standardization);
  if (settings.ranks * settings.replicas > MAXIMUM_RANKS) {
    throw new ConfigError(
      'threads',
      `${settings.replicas} replicas of ${settings.ranks} ranks; one machine runs at most ` +
        `${MAXIMUM_RANKS} worker threads`,
    );
  }
  // The engine is tried here first, so that what is missing is told before a rank starts.
  const { capacityBytes } = await createEngine(settings.engine, settings);
  const memoryWarning = checkMemory(run, settings, capacityBytes);

  const runFolder = resumeFolder ?? settings.out ?? newRunFolder(settings);
  const resume = resumeFolder === null ? null : newestCheckpoint(resumeFolder);
  if (resume === null) createRunFolder(runFolder);
  else trimMetrics(runFolder, resume.step);
  writeRunConfig(runFolder, {
    format: 'phantom-parallel run',
    version: 1,
    created: new Date().toISOString(),
    settings,
    specification: run.specification,
    loss: run.loss,
    steps: run.steps,
    data: recordedData,
    ...describeMachine(),
  });

  const job = jobOf(settings, run, runFolder, resume, {
    trainingRows: recordedData.trainingRows,
    validationRows: recordedData.validationRows,
  });
  for (const message of [memoryWarning, resume && changedSettings(job, resume.folder)]) {
    if (message) hooks.onEvent({ type: 'warning', message });
  }
  const { ranks, replicas } = settings;
  const loaders = Array.from({ length: replicas }, (_, replica) =>
    startLoader({
      data,
      standardization,
      seed: settings.seed,
      shuffle: settings.shuffle,
      oneHot: run.oneHot,
      consumers: ranks,
      schedule: {
        firstStep: resume?.step ?? 0,
        steps: run.steps,
        batchSize: settings.batch,
        microBatches: settings.accumulate,
        validationRows: job.validationRows,
        validateEvery: run.validateEvery,
        replicas,
        replica,
      },
    }),
  );
  const columns = settings.batch / settings.accumulate;
  const payload = largestPayloadBytes(run.specification, ranks, columns);
  const group = {
    kernels: loadKernelModule(false),
    timeoutS: settings.timeout,
    stagingBytes: Math.max(64 * 1024, payload),
  };
  const mesh = replicas === 1 ? null : createMesh(ranks, replicas, group);
  const rankData: TrainingRankData = {
    job,
    batches: loaders.map(({ handle }) => handle),
    mesh,
    module: loadKernelModule(settings.relaxedSimd),
  };
  const launch = launchRanks<EndEvent | null>({
    ...group,
    size: ranks * replicas,
    subgroups: mesh ? [...mesh.network, ...mesh.replicas] : [],
    module: new URL('training-rank.js', import.meta.url),
    data: rankData,
    onMessage: (_rank, message) => hooks.onEvent(message as TrainingEvent),
  });
  const requestStop = () => launch.requestStop();
  hooks.stop.addEventListener('abort', requestStop);
  if (hooks.stop.aborted) requestStop();
  try {
    const [end] = await Promise.race([launch.done, ...loaders.map(({ failed }) => failed)]);
    if (!end) throw new TypeError('rank 0 returned no end event');
    return end;
  } catch (error) {
    launch.abort((error as Error).message);
    if (resume === null) removeUnusedRun(runFolder);
    throw error;
  } finally {
    hooks.stop.removeEventListener('abort', requestStop);
    await Promise.all(loaders.map((loader) => loader.close()));
  }
}

/** Gradients of several layers are summed at a time, in larger pieces than activations are. */
const GRADIENT_STAGING_BYTES = 4 << 20;

function createMesh(
  ranks: number,
  replicas: number,
  options: Omit<ThreadsGroupOptions, 'size'>,
): Mesh {
  const gradients = { ...options, stagingBytes: GRADIENT_STAGING_BYTES };
  return {
    network: Array.from({ length: replicas }, () =>
      createThreadsGroup({ ...options, size: ranks }),
    ),
    replicas: Array.from({ length: ranks }, () =>
      createThreadsGroup({ ...gradients, size: replicas }),
    ),
  };
}

function jobOf(
  settings: TrainingSettings,
  run: RunPlan,
  runFolder: string,
  resume: { folder: string; step: number } | null,
  rows: { trainingRows: number | null; validationRows: number },
): TrainingJob {
  const { specification, loss, steps, validateEvery } = run;
  return {
    settings,
    specification,
    loss,
    steps,
    validateEvery,
    runFolder,
    resume,
    ...rows,
    configHash: configHash(settings),
    resumeCommand: `phantom train --resume ${runFolder}`,
  };
}

/** A run that failed before its first checkpoint leaves nothing behind. */
function removeUnusedRun(runFolder: string): void {
  if (listCheckpoints(path.join(runFolder, 'checkpoints')).length > 0) return;
  for (const name of ['config.json', 'metrics.jsonl', 'checkpoints']) {
    rmSync(path.join(runFolder, name), { recursive: true, force: true });
  }
  try {
    rmSync(runFolder, { recursive: false });
  } catch {
    // Not ours alone: something else lies in it.
  }
}

function changedSettings(job: TrainingJob, checkpoint: string): string | null {
  if (readCheckpointState(checkpoint).configHash === job.configHash) return null;
  return 'settings differ from those of the checkpoint: this is not the run that was interrupted';
}

function newRunFolder({ strategy, width, blocks }: TrainingSettings): string {
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d+Z/g, '');
  return path.join('runs', `${time}-${strategy}-${width}x${blocks}`);
}
