import { ConfigError } from '../../base/errors.js';
import { availableCores } from '../../base/cores.js';
import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Machine, MeasuredCollectives, PowerModel } from '../../machine/machine.js';
import type { Launcher } from '../../communicators/launcher.js';
import type { EnergyMeter } from '../../energy/meter.js';
import { LARGEST_COLLECTIVE_BYTES } from '../../calibration/measure-collectives.js';
import type {
  CalibrationProgress,
  CalibrationRequest,
  RankCalibration,
} from './calibration-rank.js';
import type { MeterComparison } from '../../energy/metered.js';
import { checkPower, countWork, fitPower, openCounter } from './calibration-power.js';
import { mean, sourceNow, withKernels } from './calibration-times.js';
import { eachOnce } from '../../base/each-once.js';
import type { Bind } from '../ranks/binding.js';
import { joinRanks, launchThreads } from '../ranks/ranks.js';
import type { EngineChoice } from '../../engines/engine-list.js';

const RANK = new URL('calibration-rank.js', import.meta.url);

/** What `calibrate` measures with. */
export interface CalibrationOptions {
  readonly name: string;
  readonly engine: EngineChoice;
  readonly relaxedSimd: boolean;
  readonly bind: Bind;
  /** Takes what slows the ranks down, each once. */
  readonly onWarning: (message: string) => void;
  /** Watts that the user knows; null: as a counter has them, where there is one. */
  readonly power: PowerModel;
  readonly onProgress: (progress: CalibrationProgress) => void;
}

/** What `calibrate` measured. */
export interface Calibration {
  readonly machine: Machine;
  /** The model with the watts that a counter gave, beside the counter; null: no counter. */
  readonly meterCheck: MeterComparison | null;
}

/** How long the machine is left alone while a counter is read. */
const IDLE_MS = 2000;

/**
 * Measures this machine: kernels on every core at once, collectives between 1, 2, 4, … worker threads
 * up to twice the cores, and the watts of a core where a counter can be read.
 */
export async function calibrate(options: CalibrationOptions): Promise<Calibration> {
  const counter = await openCounter();
  try {
    return await measureMachine(options, counter);
  } finally {
    counter?.close();
  }
}

/**
 * Measures the kernels of this machine again, with products in bfloat16.
 * @param machine as `calibrate` wrote it
 * @returns it, with these times beside those of float32
 * @throws ConfigError when it is a machine of a data sheet, which has no times of this one
 */
export async function calibrateBfloat16(
  machine: Machine,
  options: CalibrationOptions,
): Promise<Machine> {
  if (machine.compute.kind === 'peak') {
    const what = `the peaks of a data sheet are in ${machine.name}`;
    throw new ConfigError('calibrate', `${what}; --out needs a file that calibrate wrote`);
  }
  const { engine, relaxedSimd } = options;
  const kernels = { engine, relaxedSimd, compute: 'bfloat16' } as const;
  const results = await measureRanks(options)(availableCores(), { collectives: false, kernels });
  return withKernels(machine, results, kernels.compute);
}

async function measureMachine(
  options: CalibrationOptions,
  counter: EnergyMeter | null,
): Promise<Calibration> {
  const cores = availableCores();
  const source = sourceNow();
  const measure = measureRanks(options);
  const { engine, relaxedSimd } = options;
  const collectives: MeasuredCollectives[] = [];
  let kernels: readonly RankCalibration[] = [];
  if (counter) options.onProgress({ what: 'watts of the idle machine', share: 0 });
  const idle = await countWork(counter, 'idle', () => sleep(counter ? IDLE_MS : 0));
  let counted: PowerModel | null = null;
  let meterCheck: MeterComparison | null = null;
  for (const ranks of rankCounts(cores)) {
    let results: readonly RankCalibration[] = [];
    const withThem = ranks === cores ? { engine, relaxedSimd, compute: 'float32' as const } : null;
    const run = async () => {
      results = await measure(ranks, { collectives: true, kernels: withThem });
    };
    if (counter && counted && meterCheck === null) {
      meterCheck = await checkPower(counter, counted, cores, run);
    } else {
      const work = await countWork(counter, `${ranks} ranks`, run);
      if (counter && idle && work && ranks === cores) {
        counted = fitPower(idle, work, cores, `${source}, by ${counter.name}`);
      }
    }
    collectives.push({ transport: 'threads', ranks, source, ...meanCollectives(results) });
    if (withThem) kernels = results;
  }
  const memory = Math.min(4 * 2 ** 30, Math.floor(os.totalmem() / cores));
  const machine: Omit<Machine, 'compute'> = {
    name: options.name,
    description: `${os.cpus()[0]?.model.trim() ?? 'unknown processor'}, ${cores} cores`,
    ranksPerNode: { value: cores, source: 'cores that this process may use' },
    rankMemoryBytes: {
      value: memory,
      source: "a core's share of the memory, and at most the 4 GiB that an engine can address",
    },
    collectives,
    withinNode: null,
    betweenNodes: null,
    power: {
      busyW: options.power.busyW ?? counted?.busyW ?? null,
      waitingW: options.power.waitingW ?? counted?.waitingW ?? null,
      sharedW: options.power.sharedW ?? counted?.sharedW ?? null,
      energyPerByteJ: options.power.energyPerByteJ ?? counted?.energyPerByteJ ?? null,
    },
  };
  return { machine: withKernels(machine, kernels, 'float32'), meterCheck };
}

/** Runs one measurement after another, each on so many threads. */
function measureRanks(
  options: CalibrationOptions,
): (size: number, data: CalibrationRequest) => Promise<readonly RankCalibration[]> {
  const onWarning = eachOnce(options.onWarning);
  return async (size, data) => {
    const launch = launchThreads<RankCalibration>({
      size,
      module: RANK,
      bind: options.bind,
      onWarning,
      data,
      stagingBytes: LARGEST_COLLECTIVE_BYTES,
      onMessage: (_rank, message) => options.onProgress(message as CalibrationProgress),
    });
    return launch.done;
  };
}

/** Collectives of the MPI job that this process is a rank of; null on other ranks than the first. */
export async function calibrateMpi(
  launcher: Launcher,
  { onProgress, onWarning }: Pick<CalibrationOptions, 'onProgress' | 'onWarning'>,
): Promise<MeasuredCollectives | null> {
  const data: CalibrationRequest = { collectives: true, kernels: null };
  const ranks = await joinRanks({
    launcher,
    size: launcher.size,
    module: RANK,
    timeoutS: 60,
    // The launcher binds.
    bind: 'none',
    onWarning,
    onMessage: (message) => onProgress(message as CalibrationProgress),
  });
  const started = ranks.start({ data, threads: {} });
  const result = (await started.done) as RankCalibration | undefined;
  if (!result?.collectives) return null;
  const source = `phantom calibrate under ${launcher.name}, ${new Date().toISOString().slice(0, 10)}`;
  return { transport: 'mpi', ranks: launcher.size, source, ...result.collectives };
}

/** Powers of two up to twice the cores, and the cores themselves. */
function rankCounts(cores: number): number[] {
  const counts = new Set([cores]);
  for (let ranks = 1; ranks <= Math.min(2 * cores, 256); ranks *= 2) counts.add(ranks);
  return [...counts].toSorted((a, b) => a - b);
}

type Collectives = NonNullable<RankCalibration['collectives']>;

function meanCollectives(ranks: readonly RankCalibration[]): Collectives {
  const of = (kind: keyof Collectives) =>
    (ranks[0]?.collectives?.[kind] ?? []).map(({ bytes }, i) => {
      const each = ranks.map(({ collectives }) => collectives?.[kind][i]);
      const one = (what: 'startS' | 'transferS' | 'finishS') =>
        mean(each.map((time) => time?.[what] ?? Number.NaN));
      return { bytes, startS: one('startS'), transferS: one('transferS'), finishS: one('finishS') };
    });
  return {
    allGather: of('allGather'),
    allToAll: of('allToAll'),
    reduceScatter: of('reduceScatter'),
    allReduce: of('allReduce'),
  };
}
