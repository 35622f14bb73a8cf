import { freemem } from 'node:os';
import { largestPayloadBytes } from '../../analysis/network-cost.js';
import type { Launcher } from '../../communicators/launcher.js';
import { type ArrayData, IN_MEMORY } from '../../data/arrays.js';
import type { DataParts } from '../../data/dataset.js';
import { ConfigError } from '../../base/errors.js';
import { startLoader } from '../../data/loader/loader.js';
import { targetScaling } from '../../data/tables/target-scaling.js';
import { describeModel, sourceText } from '../../models/model-source.js';
import type { Standardization } from '../../data/standardize.js';
import { commandLine } from '../../base/invocation.js';
import type { EndEvent, TrainingEvent } from '../../training/events.js';
import { configHash } from '../../checkpoints/determining-settings.js';
import { readRunConfig, readRunSchema, type RunConfig } from '../../checkpoints/run-folder.js';
import { FolderLock } from '../../checkpoints/run-lock.js';
import type { TrainingJob } from '../../training/trainer.js';
import { compiledKernels, deviceIds, withEngine } from '../ranks/engines.js';
import { collectiveBytes } from '../ranks/rank-parts.js';
import { widensKernels } from '../ranks/probes.js';
import { initialStandardization, openInitialModel } from './from-model.js';
import { createMeter } from '../ranks/meters.js';
import { holdData, openSettingsData } from '../data/open-data.js';
import { describeData, resumedStandardization } from './resumed-data.js';
import { openRun, removeUnusedRun } from './open-run.js';
import {
  checkMemory,
  costlyPrecision,
  largeBatch,
  planRun,
  type Room,
  type RunPlan,
} from './plan-run.js';
import { joinRanks, MAXIMUM_THREADS, type Ranks } from '../ranks/ranks.js';
import type { Resume } from './resume.js';
import { resumedOtherwise } from './resumed-settings.js';
import { withoutEffect } from '../../settings/without-effect.js';
import type { TrainingSettings } from '../../settings/settings.js';
import type { TrainingRankData } from './training-rank.js';

export interface RunHooks {
  readonly onEvent: (event: TrainingEvent) => void;
  /** When it fires, the run writes a checkpoint after the current step and ends. */
  readonly stop: AbortSignal;
}

/**
 * Trains on `settings.ranks · settings.replicas` ranks and keeps everything in a run folder. The
 * ranks are worker threads; under an MPI launcher, the processes of the job, each of which calls
 * this: the first of them alone writes the folder and has events, all return the end.
 *
 * @param resume run to go on with; null: a new run
 * @param given what settings cannot say
 * @throws ConfigError, DataError, UnsupportedError before any rank starts; what ends a rank later
 */
export async function trainOnRanks(
  settings: TrainingSettings,
  hooks: RunHooks,
  resume: Resume | null,
  given: RunGiven = {},
): Promise<EndEvent> {
  const lock = new FolderLock();
  try {
    return await trainUnder(lock, { settings, hooks, resume, ...given });
  } finally {
    lock.release();
  }
}

interface Request extends RunGiven {
  readonly settings: TrainingSettings;
  readonly hooks: RunHooks;
  readonly resume: Resume | null;
}

async function trainUnder(
  lock: FolderLock,
  { settings, hooks, resume, rows = {}, launcher = null, given = new Set() }: Request,
): Promise<EndEvent> {
  const resumeFolder = resume?.runFolder ?? null;
  const say = (message: string) => hooks.onEvent({ type: 'warning', message });
  const ranks = await joinRanks({
    launcher,
    size: settings.ranks * settings.replicas,
    module: new URL('training-rank.js', import.meta.url),
    timeoutS: settings.timeout,
    bind: settings.bind,
    devices: await deviceIds(settings.engine, settings.devices),
    onWarning: say,
    onMessage: (message) => hooks.onEvent(message as TrainingEvent),
  });
  const isFirst = ranks.here.includes(0);
  const prepared = await ranks.together(() => prepare(settings, ranks, resumeFolder, rows));
  const { data, run, standardization } = prepared;
  const { table } = data;
  const opened = await ranks.fromFirst(() => openRun(lock, { settings, resume, ...prepared }, say));
  const { runFolder, checkpoint, damaged } = opened;
  const { trainingRows, validationRows } = prepared.recorded;
  const { specification, loss, lossOptions, metrics, steps, validateEvery } = run;
  const prefix = launcher === null ? '' : `${launcher.command} -n ${launcher.size} `;
  const job: TrainingJob = {
    settings,
    specification,
    loss,
    lossOptions,
    weighted: run.weighting !== null,
    metrics,
    steps,
    validateEvery,
    trainingRows,
    validationRows,
    runFolder,
    lock: opened.lock,
    configHash: configHash(settings),
    resume: checkpoint,
    from: prepared.from,
    resumeCommand:
      settings.data === IN_MEMORY
        ? `train({ data: { x, y } }, { resume: ${JSON.stringify(runFolder)} })`
        : prefix + commandLine('train', '--resume', runFolder),
    processes: ranks.processes,
    table: table ?? null,
  };
  const costly = costlyPrecision(run, settings);
  const large = largeBatch(settings, run, trainingRows ?? Infinity);
  const { before, recorded } = prepared;
  const isTable = table !== undefined;
  const facts = {
    network: specification,
    loss,
    steps,
    trainingRows,
    validationRows,
    isTable,
    widensKernels: widensKernels(),
  };
  const otherwise =
    before && checkpoint
      ? resumedOtherwise(before, { data: recorded, settings, steps, step: checkpoint.step })
      : [];
  const warnings = [prepared.warning, costly, large, ...(table?.warnings ?? [])];
  const idle = withoutEffect(given, settings, facts);
  for (const message of [...warnings, ...damaged, ...otherwise, ...idle]) {
    if (message && isFirst) say(message);
  }
  const loaders = replicasOf(ranks.here, settings.ranks).map(({ replica, consumers }) =>
    startLoader({
      data,
      standardization,
      targetScaling: targetScaling(table?.schema),
      seed: settings.seed,
      shuffle: settings.shuffle,
      oneHot: run.oneHot,
      weighting: run.weighting,
      consumers,
      schedule: {
        firstStep: checkpoint?.step ?? 0,
        steps: run.steps,
        batchSize: settings.batch,
        microBatches: settings.accumulate,
        validationRows: job.validationRows,
        validateEvery: run.validateEvery,
        replicas: settings.replicas,
        replica,
      },
    }),
  );
  const columns = settings.batch / settings.accumulate;
  const payload = largestPayloadBytes(run.specification, settings.ranks, columns);
  const gradients = settings.replicas > 1 ? GRADIENT_STAGING_BYTES : 0;
  const stagingBytes = Math.max(64 * 1024, payload, gradients);
  const rankData: TrainingRankData = {
    job,
    batches: loaders.map(({ handle }) => handle),
    meter: { ranksHere: ranks.here.length, firstOnMachine: ranks.firstOnMachine },
    module: compiledKernels(settings.relaxedSimd),
  };
  const started = ranks.start({ data: rankData, threads: { stagingBytes } });
  const requestStop = () => started.requestStop();
  hooks.stop.addEventListener('abort', requestStop);
  if (hooks.stop.aborted) requestStop();
  try {
    const end = await Promise.race([
      started.done,
      lock.lost,
      ...loaders.map(({ failed }) => failed),
    ]);
    if (!end) throw new TypeError('rank 0 returned no end event');
    return end as EndEvent;
  } catch (error) {
    started.abort((error as Error).message);
    if (checkpoint === null && lock.isHeld()) removeUnusedRun(runFolder, lock);
    throw error;
  } finally {
    hooks.stop.removeEventListener('abort', requestStop);
    await Promise.all(loaders.map((loader) => loader.close()));
    prepared.release();
  }
}

/** Rows that a program gave in place of names. */
export interface RowsInMemory {
  readonly data?: ArrayData;
  readonly validation?: ArrayData;
}

/** What settings cannot say. */
export interface RunGiven {
  /** Where settings name their data as `IN_MEMORY`. */
  readonly rows?: RowsInMemory;
  /** Keys of settings that somebody gave for this run; default: none. */
  readonly given?: ReadonlySet<string>;
  /** Of the MPI job that this process is one of; null, the default: ranks are threads. */
  readonly launcher?: Launcher | null;
}

/** What every process finds out for itself. */
interface Prepared {
  readonly data: DataParts;
  /** Removes what holds the rows of a large table. */
  readonly release: () => void;
  readonly run: RunPlan;
  /** What the run folder said of a run that goes on. */
  readonly before: RunConfig | null;
  readonly standardization: Standardization | null;
  /** The weights that a new run begins with; null: random ones. */
  readonly from: TrainingJob['from'];
  /** What `config.json` says of the data. */
  readonly recorded: RunConfig['data'];
  readonly warning: string | null;
}

async function prepare(
  settings: TrainingSettings,
  { here, onMachine, onOneDevice, processes }: Ranks,
  resumeFolder: string | null,
  rows: RowsInMemory,
): Promise<Prepared> {
  if (here.length > MAXIMUM_THREADS) {
    throw new ConfigError(
      'threads',
      `${settings.replicas} replicas of ${settings.ranks} ranks; one machine runs at most ` +
        `${MAXIMUM_THREADS} worker threads`,
    );
  }
  // A run that goes on, or begins with a model, sees the columns of a table as it did before.
  const known =
    resumeFolder === null
      ? settings.from === null
        ? null
        : describeModel(settings.from).schema
      : readRunSchema(resumeFolder);
  // Processes of one machine share its memory.
  const share = here.length / onMachine;
  const dataMemory = Math.floor((settings.dataMemory ?? freemem() / 2) * share);
  const shared = share < 1 ? { dataMemory } : {};
  const data = await openSettingsData({ ...settings, ...rows, ...shared }, known);
  const release = holdData(data);
  const run = planRun(settings, data);
  const model = resumeFolder === null ? openInitialModel(settings, run.specification, here) : null;
  const standardization =
    resumeFolder === null
      ? initialStandardization(settings, data, model)
      : resumedStandardization(resumeFolder, data);
  // Engine and meter are tried here first, so that what is missing is reported before a rank starts.
  const options = { ...settings, processes: processes !== null };
  const room = await withEngine(settings.engine, options, (engine): Room => {
    const { capacityBytes, devices, besideBytes } = engine;
    const shares = onOneDevice !== null && onOneDevice > 1;
    const own = shares ? 0 : collectiveBytes(engine, settings.ranks * settings.replicas);
    return { capacityBytes, devices, besideBytes, collectiveBytes: own };
  });
  (await createMeter({ ...settings, choice: settings.meter })).close();
  const warning =
    onOneDevice === null
      ? checkMemory(run, settings, room, onMachine)
      : checkMemory(run, settings, { ...room, devices: 1 }, onOneDevice);
  const recorded = describeData(data, standardization);
  const before = resumeFolder === null ? null : readRunConfig(resumeFolder);
  const from = model && { folder: model.weights, text: sourceText(model) };
  return { data, release, run, before, standardization, from, recorded, warning };
}

/** The replicas that have ranks in this process, and how many. */
function replicasOf(here: readonly number[], ranks: number) {
  const counts = new Map<number, number>();
  for (const rank of here) {
    const replica = Math.floor(rank / ranks);
    counts.set(replica, (counts.get(replica) ?? 0) + 1);
  }
  return [...counts].map(([replica, consumers]) => ({ replica, consumers }));
}

/** Gradients of several layers are summed at a time, in larger pieces than activations are. */
const GRADIENT_STAGING_BYTES = 4 << 20;
