import { availableCores } from '../../base/cores.js';
import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  Machine,
  MeasuredCollectives,
  MeasuredCompute,
  PowerModel,
} from '../../machine/machine.js';
import { ratesOf } from '../../analysis/rates.js';
import { rounded } from '../../calibration/clock.js';
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
import { calibrationShapes, fitSteps } from './calibration-steps.js';
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

async function measureMachine(
  options: CalibrationOptions,
  counter: EnergyMeter | null,
): Promise<Calibration> {
  const cores = availableCores();
  const source = `phantom calibrate, ${new Date().toISOString().slice(0, 10)}, Node ${process.version}`;
  const onWarning = eachOnce(options.onWarning);
  const measure = async (size: number, engine: EngineChoice | null) => {
    const data: CalibrationRequest = { engine, relaxedSimd: options.relaxedSimd };
    const launch = launchThreads<RankCalibration>({
      size,
      module: RANK,
      bind: options.bind,
      onWarning,
      data,
      stagingBytes: LARGEST_COLLECTIVE_BYTES,
      onMessage: (_rank, message) => options.onProgress(message as CalibrationProgress),
    });
    return (await launch.done).map((rank) => rank);
  };
  const collectives: MeasuredCollectives[] = [];
  let compute: MeasuredCompute | null = null;
  let steps: readonly number[] = [];
  if (counter) options.onProgress({ what: 'watts of the idle machine', share: 0 });
  const idle = await countWork(counter, 'idle', () => sleep(counter ? IDLE_MS : 0));
  let counted: PowerModel | null = null;
  let meterCheck: MeterComparison | null = null;
  for (const ranks of rankCounts(cores)) {
    let results: RankCalibration[] = [];
    const run = async () => {
      results = await measure(ranks, ranks === cores ? options.engine : null);
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
    const kernels = results.flatMap((rank) => (rank.kernels ? [rank.kernels] : []));
    if (kernels[0]) {
      const alone = { factor: 1, perOperationS: 0 };
      compute = { ...meanKernels(kernels), kind: 'measured', source, ranks, inStep: alone };
      steps = kernels[0].steps;
    }
  }
  if (compute === null) throw new TypeError('no rank measured its kernels');
  const memory = Math.min(4 * 2 ** 30, Math.floor(os.totalmem() / cores));
  const machine: Machine = {
    name: options.name,
    description: `${os.cpus()[0]?.model.trim() ?? 'unknown processor'}, ${cores} cores`,
    ranksPerNode: { value: cores, source: 'cores that this process may use' },
    rankMemoryBytes: {
      value: memory,
      source: "a core's share of the memory, and at most the 4 GiB that an engine can address",
    },
    compute,
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
  const inStep = fitSteps(calibrationShapes(cores), steps, ({ ranks }) => ratesOf(machine, ranks));
  const { factor, perOperationS } = inStep;
  const rates = { factor: rounded(factor), perOperationS: rounded(perOperationS) };
  return { machine: { ...machine, compute: { ...compute, inStep: rates } }, meterCheck };
}

/** Collectives of the MPI job that this process is a rank of; null on other ranks than the first. */
export async function calibrateMpi(
  launcher: Launcher,
  { onProgress, onWarning }: Pick<CalibrationOptions, 'onProgress' | 'onWarning'>,
): Promise<MeasuredCollectives | null> {
  const data: CalibrationRequest = { engine: null, relaxedSimd: false };
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
  if (!result) return null;
  const source = `phantom calibrate under ${launcher.name}, ${new Date().toISOString().slice(0, 10)}`;
  return { transport: 'mpi', ranks: launcher.size, source, ...result.collectives };
}

/** Powers of two up to twice the cores, and the cores themselves. */
function rankCounts(cores: number): number[] {
  const counts = new Set([cores]);
  for (let ranks = 1; ranks <= Math.min(2 * cores, 256); ranks *= 2) counts.add(ranks);
  return [...counts].toSorted((a, b) => a - b);
}

type Kernels = NonNullable<RankCalibration['kernels']>;

/** Means over ranks, which measured at the same time. */
function meanKernels(
  ranks: readonly Kernels[],
): Pick<MeasuredCompute, 'engine' | 'products' | 'passes'> {
  const [first] = ranks;
  if (first === undefined) throw new TypeError('no rank');
  const means = (of: (rank: Kernels) => readonly number[]) =>
    of(first).map((_, i) => mean(ranks.map((rank) => of(rank)[i] ?? Number.NaN)));
  return {
    engine: first.engine,
    products: {
      ...first.products,
      seconds: {
        NN: means(({ products }) => products.seconds.NN),
        NT: means(({ products }) => products.seconds.NT),
        TN: means(({ products }) => products.seconds.TN),
      },
    },
    passes: Object.fromEntries(
      Object.entries(first.passes).map(([kernel, times]) => {
        const seconds = means(({ passes }) => (passes[kernel] ?? []).map((time) => time.seconds));
        return [kernel, times.map(({ size }, i) => ({ size, seconds: seconds[i] ?? Number.NaN }))];
      }),
    ),
  };
}

function meanCollectives(ranks: readonly RankCalibration[]): RankCalibration['collectives'] {
  const of = (kind: keyof RankCalibration['collectives']) =>
    (ranks[0]?.collectives[kind] ?? []).map(({ bytes }, i) => {
      const each = ranks.map(({ collectives }) => collectives[kind][i]);
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

function mean(values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0);
  return rounded(sum / values.length);
}
