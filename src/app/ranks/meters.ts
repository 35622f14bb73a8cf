import type { PowerModel } from '../../machine/machine.js';
import {
  COUNTER_NAMES,
  type CounterName,
  COUNTERS,
  type FoundSources,
  type MeterChoice,
} from '../../energy/counter-list.js';
import { processCpuS } from '../../energy/cpu-time.js';
import type { EnergyMeter } from '../../energy/meter.js';
import { describePower, modelledSource, requirePower, type Usage } from '../../energy/modelled.js';
import { findMachineFile, isOfDevices, readPower } from '../../machine/power-file.js';
import { isDenied } from '../../energy/sysfs.js';
import { childrenCpuS } from '../../energy/process-tree.js';
import { WindowMeter } from '../../energy/windows.js';
import { MeterError, PhantomError } from '../../base/errors.js';
import { plural } from '../../base/format.js';

/** What `createMeter` makes. */
export interface MeterRequest {
  readonly choice: MeterChoice;
  /** Name or file of the machine whose constants the model has; `default`: those of this package. */
  readonly machine: string;
  /** Whether `auto` takes the GPUs' counters too: for programs that compute on them. */
  readonly gpus?: boolean;
  /** Takes that they were asked for and are not counted. Default: nobody is told. */
  readonly onWarning?: (message: string) => void;
  /** For the model: cores that the program has to itself. Default: one. */
  readonly cores?: number;
  /** For the model. Default: this process's CPU time, and no bytes; `children`: the CPU time of
   * programs that this process starts from now on. */
  readonly usage?: Usage | 'children';
}

type ModelRequest = Pick<MeterRequest, 'machine' | 'cores' | 'usage'>;

/** What one kind of hardware meter has found. */
interface Found extends FoundSources {
  readonly name: string;
  readonly description: string;
}

const OWN_USAGE: Usage = { cpuS: processCpuS, sentBytes: () => 0 };
/** Power has to be sampled; counters only before they wrap, and so often that one that stops is
 * found before the end. */
const SAMPLE_S = { integrated: 0.1, counter: 0.25, modelled: 1 } as const;

/**
 * The meter that was asked for. `auto`: the counters of the processor, or of the machine, that may
 * be read, else the model.
 *
 * @throws MeterError when it cannot be had, with what to do
 *
 * @example
 * ```ts
 * import { createMeter } from 'phantom-parallel/energy';
 *
 * const meter = await createMeter({ choice: 'auto', machine: 'default' });
 * meter.begin('sum');
 * let sum = 0;
 * for (let i = 0; i < 1e8; i++) sum += i;
 * const { energyJ, elapsedS, obtained } = meter.end('sum');
 * meter.close();
 * console.log(`${sum}: ${energyJ?.toFixed(3)} J (${obtained}) in ${elapsedS.toFixed(2)} s`);
 * ```
 */
export async function createMeter(request: MeterRequest): Promise<EnergyMeter> {
  const { choice } = request;
  // Whatever meters, a machine file with a wrong number in it is no good.
  const file = findMachineFile(request.machine);
  const power = readPower(file);
  const ofDevices = isOfDevices(file);
  if (choice === 'none') return together([]);
  if (choice === 'modelled' && ofDevices) {
    const remedy = 'use --meter nvml or auto, or another --machine';
    const what = `the watts of ${request.machine} are of devices, and the model is of CPU time`;
    throw new MeterError('modelled', `${what}; ${remedy}`);
  }
  if (choice === 'modelled') return modelledMeter(request, power);
  if (choice !== 'auto') return together([await findCounter(choice)]);

  const reasons: unknown[] = [];
  const attempt = async (name: CounterName) => {
    try {
      return await findCounter(name);
    } catch (error) {
      if (!(error instanceof MeterError)) throw error;
      reasons.push(error);
      return null;
    }
  };
  let processor: Found | null = null;
  const gpus: (Found | null)[] = [];
  const ofNames = (of: 'machine' | 'gpus') =>
    COUNTER_NAMES.filter((name) => COUNTERS[name].of === of);
  for (const name of ofNames('machine')) processor ??= await attempt(name);
  const ofProcessor = reasons.length;
  if (request.gpus) for (const name of ofNames('gpus')) gpus.push(await attempt(name));
  if (request.gpus && gpus.every((found) => found === null)) {
    const why = reasons.slice(ofProcessor).map((reason) => (reason as MeterError).message);
    request.onWarning?.(`energy is without that of the GPUs: ${why.join('; ')}`);
  }
  const denied = reasons.some(isDenied)
    ? '; this user may not read the energy counter of this machine'
    : '';
  const rest =
    processor ?? (ofDevices ? modelledCores(request, denied) : modelled(request, power, denied));
  return together([rest, ...gpus.filter((found) => found !== null)]);
}

/** Whether a meter of the hardware can be had: a line on it, or why not. */
export async function probeCounter(
  name: CounterName,
): Promise<{ available: boolean; detail: string; denied: boolean }> {
  try {
    const { description, close } = await findCounter(name);
    close();
    return { available: true, detail: description, denied: false };
  } catch (error) {
    if (!(error instanceof MeterError)) throw error;
    return { available: false, detail: error.message, denied: isDenied(error) };
  }
}

/** @throws MeterError when there is none, or it may not be read */
async function findCounter(name: CounterName): Promise<Found> {
  try {
    const { sources, close } = await COUNTERS[name].find();
    const what = sources.map((source) => source.name).join(', ');
    const how = sources.some(({ obtained }) => obtained === 'integrated') ? ' (power samples)' : '';
    const description = `${what}${how}, of everything that runs on this machine`;
    return { name, description: `${name}: ${description}`, sources, close };
  } catch (error) {
    if (error instanceof MeterError || !(error instanceof PhantomError)) throw error;
    throw new MeterError(name, error.message.replace(/^\[.*?\] /, ''), { cause: error });
  }
}

const nothing = () => {};

/** The model with constants that are known already. @throws MeterError when one is missing */
export function modelledMeter(request: ModelRequest, power: PowerModel): EnergyMeter {
  return together([modelled(request, power)]);
}

/** The model where the machine's watts are of devices: with the constants of this package. */
function modelledCores(request: ModelRequest, remark: string): Found {
  const power = readPower(findMachineFile('default'));
  const why = `; the watts of ${request.machine} are of devices`;
  return modelled({ ...request, machine: 'default' }, power, remark + why);
}

function modelled(
  { machine, cores = 1, usage = OWN_USAGE }: ModelRequest,
  known: PowerModel,
  remark = '',
): Found {
  const power = requirePower(machine, known);
  const used = usage === 'children' ? { cpuS: childrenCpuS(), sentBytes: () => 0 } : usage;
  const of = `the CPU time of ${plural(cores, 'core')}`;
  return {
    name: 'modelled',
    description: `modelled from ${of}: ${describePower(power)} (machine ${machine})${remark}`,
    sources: [modelledSource(power, cores, used)],
    close: nothing,
  };
}

function together(found: readonly Found[]): EnergyMeter {
  const sources = found.flatMap((part) => part.sources);
  return new WindowMeter({
    name: found.map(({ name }) => name).join('+') || 'none',
    description: found.map(({ description }) => description).join('; ') || 'not measured',
    sources,
    sampleEveryS: Math.min(...sources.map(({ obtained }) => SAMPLE_S[obtained]), 1),
    close: () => {
      for (const part of found) part.close();
    },
  });
}
