import { ConfigError } from '../../base/errors.js';
import { availableCores } from '../../base/cores.js';
import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Machine, MeasuredCollectives, PowerModel } from '../../machine/machine.js';
import type { Launcher } from '../../communicators/launcher.js';
import type { EnergyMeter } from '../../energy/meter.js';
import type {
  CalibrationProgress,
  CalibrationRequest,
  RankCalibration,
} from './calibration-rank.js';
import type { MeterComparison } from '../../energy/metered.js';
import { checkPower, countWork, fitPower, openCounter } from './calibration-power.js';
import { leftOut, mean, sourceNow, withKernels } from './calibration-times.js';
import { eachOnce } from '../../base/each-once.js';
import type { Bind } from '../ranks/binding.js';
import { beforeRanks, joinRanks, launchThreads } from '../ranks/ranks.js';
import type { EngineChoice } from '../../engines/engine-list.js';
import { plural } from '../../base/format.js';
import {
  type CalibrationSizes,
  CORE_SIZES,
  DEVICE_SIZES,
  sizesWithin,
} from '../../calibration/sizes.js';
import { deviceIds, withEngine } from '../ranks/engines.js';
import { devicePower } from './device-power.js';

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
  /** Default: `CORE_SIZES`, or `DEVICE_SIZES`. */
  readonly sizes?: CalibrationSizes;
  /** Seconds in which watts of devices are counted, idle and busy each. Default: 2. */
  readonly wattsS?: number;
}

/** What `calibrate` measured. */
export interface Calibration {
  readonly machine: Machine;
  /** The model with the watts that a counter gave, beside the counter; null: no counter. */
  readonly meterCheck: MeterComparison | null;
}

/** How long the machine is left alone while a counter is read. */
const IDLE_MS = 2000;
const WATTS_S = 2;

/**
 * Measures this machine: kernels on every core, or on every device of the engine, at once, collectives between 1, 2, 4, …
 * worker threads up to twice as many, and the watts of a core or device where a counter can be read.
 */
export async function calibrate(options: CalibrationOptions): Promise<Calibration> {
  const places = await placesOf(options);
  const counter = places.onDevices ? null : await openCounter();
  try {
    return await measureMachine(options, places, counter);
  } finally {
    counter?.close();
  }
}

/**
 * Measures the kernels of this machine again, with products in bfloat16.
 * @param machine as `calibrate` wrote it
 * @returns it, with these times beside those of float32
 * @throws ConfigError when it is a machine of a data sheet, which has no times of this one, or was
 * measured by another engine or on another number of ranks
 */
export async function calibrateBfloat16(
  machine: Machine,
  options: CalibrationOptions,
): Promise<Machine> {
  if (machine.compute.kind === 'peak') {
    const what = `the peaks of a data sheet are in ${machine.name}`;
    throw new ConfigError('calibrate', `${what}; --out needs a file that calibrate wrote`);
  }
  const places = await placesOf(options);
  const { engine, ranks } = machine.compute;
  const [here, ranksHere] = [places.engine, places.count.value];
  if (engine !== here || ranks !== ranksHere) {
    const was = `${machine.name} was measured by ${engine} on ${plural(ranks, 'rank')}`;
    const remedy = '--compute all measures both formats';
    throw new ConfigError('calibrate', `${was}, and here is ${here} on ${ranksHere}; ${remedy}`);
  }
  const dtype = 'bfloat16';
  const measure = measureRanks(options, places);
  const results = await measure(places.count.value, {
    collectives: false,
    kernels: dtype,
    wattsS: 0,
  });
  const without = toldLeftOut(options, places, results);
  return withKernels(machine, results, { dtype, sizes: places.sizes.steps, without });
}

/** What was not measured, which is told. */
function toldLeftOut(
  { sizes, onWarning }: CalibrationOptions,
  places: Places,
  results: readonly RankCalibration[],
): string[] {
  const kernels = results[0]?.kernels ?? null;
  if (!places.onDevices || kernels === null) return [];
  const without = leftOut(sizes ?? DEVICE_SIZES, kernels);
  if (without.length > 0) {
    onWarning(
      `left out, as a device has no room for them or takes too long: ${without.join('; ')}`,
    );
  }
  return without;
}

/** Where ranks compute, on cores or on devices, and what is measured there. */
interface Places {
  readonly onDevices: boolean;
  /** As times of its kernels name it. */
  readonly engine: string;
  readonly count: Machine['ranksPerNode'];
  readonly description: string;
  readonly rankMemoryBytes: NonNullable<Machine['rankMemoryBytes']>;
  readonly sizes: CalibrationSizes;
}

function placesOf({ engine, relaxedSimd, sizes }: CalibrationOptions): Promise<Places> {
  return withEngine(engine, { relaxedSimd }, (made) => {
    const { devices, asynchronous, name, description, capacityBytes } = made;
    if (asynchronous && devices > 0) {
      return {
        onDevices: true,
        engine: `${name}, ${description}`,
        count: { value: devices, source: `devices that engine ${name} finds` },
        description: `engine ${name}, ${plural(devices, 'device')}: ${description}`,
        rankMemoryBytes: { value: capacityBytes, source: 'memory of a device that was free' },
        sizes: sizesWithin(sizes ?? DEVICE_SIZES, capacityBytes),
      };
    }
    const cores = availableCores();
    return {
      onDevices: false,
      engine: description,
      count: { value: cores, source: 'cores that this process may use' },
      description: `${os.cpus()[0]?.model.trim() ?? 'unknown processor'}, ${cores} cores`,
      rankMemoryBytes: {
        value: Math.min(4 * 2 ** 30, Math.floor(os.totalmem() / cores)),
        source: "a core's share of the memory, and at most the 4 GiB that an engine can address",
      },
      sizes: sizes ?? CORE_SIZES,
    };
  });
}

async function measureMachine(
  options: CalibrationOptions,
  places: Places,
  counter: EnergyMeter | null,
): Promise<Calibration> {
  const { onDevices, count, description, rankMemoryBytes, sizes } = places;
  const cores = count.value;
  const source = sourceNow();
  const measure = measureRanks(options, places);
  const collectives: MeasuredCollectives[] = [];
  let kernels: readonly RankCalibration[] = [];
  if (counter) options.onProgress({ what: 'watts of the idle machine', share: 0 });
  const idle = await countWork(counter, 'idle', () => sleep(counter ? IDLE_MS : 0));
  let counted: PowerModel | null = null;
  let meterCheck: MeterComparison | null = null;
  for (const ranks of rankCounts(cores)) {
    let results: readonly RankCalibration[] = [];
    const isAll = ranks === cores;
    const wattsS = isAll && onDevices ? (options.wattsS ?? WATTS_S) : 0;
    const run = async () => {
      const part = isAll ? 'float32' : null;
      results = await measure(ranks, { collectives: true, kernels: part, wattsS });
    };
    if (counter && counted && meterCheck === null) {
      meterCheck = await checkPower(counter, counted, cores, run);
    } else {
      const work = await countWork(counter, `${ranks} ranks`, run);
      if (counter && idle && work && ranks === cores) {
        counted = fitPower(idle, work, cores, `${source}, by ${counter.name}`);
      }
    }
    const way = results[0]?.way ?? null;
    const about = way === null ? source : `${source}, ${way}`;
    collectives.push({ transport: 'threads', ranks, source: about, ...meanCollectives(results) });
    if (!isAll) continue;
    kernels = results;
    if (onDevices) counted = devicePower(results[0]?.watts ?? null, source);
  }
  const machine: Omit<Machine, 'compute'> = {
    name: options.name,
    description,
    ranksPerNode: count,
    rankMemoryBytes,
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
  const without = toldLeftOut(options, places, kernels);
  const about = { dtype: 'float32', sizes: sizes.steps, without } as const;
  return { machine: withKernels(machine, kernels, about), meterCheck };
}

type RequestPart = Pick<CalibrationRequest, 'collectives' | 'kernels' | 'wattsS'>;

/** Runs one measurement after another, each on so many threads. */
function measureRanks(
  options: CalibrationOptions,
  { onDevices, sizes }: Places,
): (size: number, part: RequestPart) => Promise<readonly RankCalibration[]> {
  const onWarning = eachOnce(options.onWarning);
  const { engine, relaxedSimd } = options;
  return async (size, part) => {
    const about = { engine, relaxedSimd, onDevices, onOneDevice: null };
    const data: CalibrationRequest = { ...about, sizes, ...part };
    const launch = launchThreads<RankCalibration>({
      size,
      module: RANK,
      bind: options.bind,
      onWarning,
      data,
      stagingBytes: Math.max(...sizes.collectives),
      onMessage: (_rank, message) => options.onProgress(message as CalibrationProgress),
    });
    return launch.done;
  };
}

/** Collectives of the MPI job that this process is a rank of; null on other ranks than the first. */
export async function calibrateMpi(
  launcher: Launcher,
  {
    engine,
    onProgress,
    onWarning,
  }: Pick<CalibrationOptions, 'engine' | 'onProgress' | 'onWarning'>,
): Promise<MeasuredCollectives | null> {
  // Others would wait in MPI's start for a process that finds no engine.
  const onDevices = await beforeRanks(launcher, () =>
    withEngine(engine, {}, ({ asynchronous }) => asynchronous),
  );
  const ranks = await joinRanks({
    launcher,
    size: launcher.size,
    module: RANK,
    timeoutS: 60,
    // The launcher binds.
    bind: 'none',
    devices: await deviceIds(engine, null),
    onWarning,
    onMessage: (message) => onProgress(message as CalibrationProgress),
  });
  const data: CalibrationRequest = {
    engine,
    onDevices,
    onOneDevice: ranks.onOneDevice,
    relaxedSimd: false,
    sizes: CORE_SIZES,
    collectives: true,
    kernels: null,
    wattsS: 0,
  };
  const started = ranks.start({ data, threads: {} });
  const result = (await started.done) as RankCalibration | undefined;
  if (!result?.collectives) return null;
  const source = `phantom calibrate under ${launcher.name}, ${new Date().toISOString().slice(0, 10)}${result.way === null ? '' : `, ${result.way}`}`;
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
