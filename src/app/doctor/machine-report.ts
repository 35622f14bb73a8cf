import os from 'node:os';
import { availableCores, coreLimit } from '../../base/cores.js';
import { type BlasProbe, KOFFI_PACKAGE, koffiInstalled, newerNode } from '../ranks/probes.js';
import type { deviceLinks } from '../ranks/engines.js';
import { readTopology } from '../../machine/topology.js';
import type { Engine } from '../../engines/engine.js';
import type { Dtype } from '../../tensor/tensor.js';
import { PhantomError } from '../../base/errors.js';
import { commandLine } from '../../base/invocation.js';
import { findMpirun } from '../../launch/mpirun.js';

/** One thing that a machine has or lacks. */
export interface Finding {
  readonly name: string;
  readonly available: boolean;
  /** What it is, or why it is not there. */
  readonly detail: string;
}

/** An engine, with the measured rate of its matrix products on one thread. */
export interface EngineFinding extends Finding {
  readonly flopsPerS: number | null;
}

/** Something that this machine lacks. */
export interface Advice {
  /** What it is, and what it would give: `a native library: matrix products 1.5 to 5 times as fast`. */
  readonly what: string;
  /** How to get it. */
  readonly how: string;
}

export interface MachineReport {
  readonly machine: readonly Finding[];
  readonly engines: readonly EngineFinding[];
  /** The engine that `--engine auto` takes; null: none can be used. */
  readonly auto: string | null;
  readonly libraries: readonly Finding[];
  readonly communicators: readonly Finding[];
  readonly meters: readonly Finding[];
  readonly advice: readonly Advice[];
}

/** Products are measured this often, and the best counts: others may use the machine too. */
const MEASUREMENTS = 5;
/** A gain below this is within what measurements differ by. */
const WORTHWHILE = 1.1;

/** Looks at everything that training can use here, and measures the engines. */
export async function examineMachine(): Promise<MachineReport> {
  const { probeBlas } = await import('../ranks/probes.js');
  const { measureEngine } = await import('../../engines/measure.js');
  const { createEngine } = await import('../ranks/engines.js');
  const { describeEngine } = await import('../../engines/half-products.js');
  const examine = async (name: string, make: () => Engine | Promise<Engine>) => {
    try {
      const engine = await make();
      try {
        const rate = (dtype: Dtype) =>
          Math.max(
            ...Array.from({ length: MEASUREMENTS }, () => measureEngine(engine, dtype).flopsPerS),
          );
        const flopsPerS = rate('float32');
        const detail = describeEngine(engine, 'bfloat16', rate('bfloat16') / flopsPerS);
        return { name, available: true, detail, flopsPerS };
      } finally {
        engine.close();
      }
    } catch (error) {
      if (!(error instanceof PhantomError)) throw error;
      return { name, available: false, detail: error.message, flopsPerS: null };
    }
  };

  const probe = await probeBlas();
  // Relaxed first: Node 20 takes the flag for it only before the first module is compiled.
  const relaxed = await examine('wasm --relaxed-simd', () =>
    createEngine('wasm', { relaxedSimd: true }),
  );
  const wasm = await examine('wasm', () => createEngine('wasm'));
  const usable = probe.candidates.some((candidate) => candidate.usable);
  const blas = usable
    ? await examine('blas', () => createEngine('blas'))
    : { name: 'blas', available: false, detail: 'no BLAS library can be used', flopsPerS: null };
  const cuda = await examine('cuda', () => createEngine('cuda'));
  const auto = wasm.available ? (await createEngine('auto')).name : null;
  const engines = [blas, wasm, relaxed, cuda];
  const mpi = await mpiFindings();
  const devices = deviceFindings(await linksOfDevices());
  const nccl = cuda.available ? [await ncclFinding()] : [];
  const meters = await meterFindings();
  return {
    machine: machineFindings(),
    engines,
    auto,
    libraries: probe.candidates.map(({ path, usable: available, detail }) => ({
      name: path,
      available,
      detail,
    })),
    communicators: [...communicatorFindings(), ...devices, ...mpi, ...nccl],
    meters,
    advice: [
      ...adviceFor({ engines, auto, probe, koffi: koffiInstalled(), nodeLacks: newerNode() }),
      ...mpiAdvice(mpi),
      ...meterAdvice(meters),
    ],
  };
}

const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;

function machineFindings(): Finding[] {
  const cores = availableCores();
  const limit = coreLimit('/');
  const of =
    cores < os.cpus().length
      ? ` of ${os.cpus().length}${limit === null ? '' : `, by ${limit.file}`}`
      : '';
  const [cpu] = os.cpus();
  return [
    { name: 'Node', available: true, detail: `${process.version}, V8 ${process.versions.v8}` },
    { name: 'system', available: true, detail: `${os.platform()} ${os.arch()}, ${os.release()}` },
    {
      name: 'cores',
      available: cores > 1,
      detail: `${cores}${of} (${cpu?.model.trim() ?? 'unknown model'})${cores > 1 ? '' : '; ranks take turns on it'}`,
    },
    ...topologyFindings('/'),
    {
      name: 'memory',
      available: true,
      detail: `${gigabytes(os.totalmem())}, ${gigabytes(os.freemem())} free; at most 4 GiB per rank`,
    },
    {
      name: 'koffi',
      available: koffiInstalled(),
      detail: koffiInstalled()
        ? 'installed (calls native libraries)'
        : 'not installed (calls native libraries)',
    },
  ];
}

/** NUMA nodes, cores and threads that this process may use, and what leaves it fewer than all.
 * @param root of the file system that says so */
export function topologyFindings(root: string): Finding[] {
  const topology = readTopology(root);
  if (topology === null) return [];
  const { nodes, cores, threads, online, cpuSet } = topology;
  const count = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;
  const each = nodes.map(({ id, cpus }) => `node ${id}: ${count(cpus.length, 'thread')}`);
  const bound = nodes.length > 1 ? ` (${each.join(', ')}); ${boundText(nodes.length)}` : '';
  const left =
    threads === online ? '' : `; of ${online} threads${cpuSet === null ? '' : `, by ${cpuSet}`}`;
  const sizes = [count(nodes.length, 'NUMA node'), count(cores, 'core'), count(threads, 'thread')];
  return [{ name: 'topology', available: true, detail: sizes.join(', ') + left + bound }];
}

function boundText(nodes: number): string {
  return koffiInstalled()
    ? `--bind auto binds ranks to them, ${nodes} ranks or more`
    : 'ranks are not bound to them: koffi is not installed';
}

function communicatorFindings(): Finding[] {
  return [
    { name: 'solo', available: true, detail: 'one rank with all blocks' },
    { name: 'threads', available: true, detail: 'ranks are worker threads of this machine' },
  ];
}

type DeviceLinks = Awaited<ReturnType<typeof deviceLinks>>;

/** null: there is none, or what a user has set about them is wrong, which the engine says. */
async function linksOfDevices(): Promise<DeviceLinks> {
  try {
    return await (await import('../ranks/engines.js')).deviceLinks();
  } catch (error) {
    if (!(error instanceof PhantomError)) throw error;
    return null;
  }
}

/** GPUs of engine cuda, and what ranks that are threads exchange ghosts between them by. */
export function deviceFindings(links: DeviceLinks): Finding[] {
  if (links === null) return [];
  const { devices, direct, peers } = links;
  const all = (devices.length * (devices.length - 1)) / 2;
  const found = [{ name: 'devices', available: true, detail: devices.join(', ') }];
  if (all === 0) return found;
  const pairs = direct.map(([a, b]) => `${a} and ${b}`).join(', ');
  const directly =
    direct.length === all
      ? 'directly between all of them'
      : direct.length === 0
        ? 'by way of the driver, as no two reach each other'
        : `directly between ${pairs}, else by way of the driver`;
  const how = peers
    ? `peer copies, ${directly}, where ranks are threads; a run checks that they bring the right bytes`
    : "by way of the host's memory: PHANTOM_CUDA_PEERS is off";
  return [...found, { name: 'between devices', available: true, detail: how }];
}

/** MPI libraries, each with its launcher where that is found. */
async function mpiFindings(): Promise<Finding[]> {
  const { findLauncher } = await import('../../communicators/launcher.js');
  const { MPI_REMEDY, probeMpi, probeThreadLevel } = await import('../ranks/probes.js');
  const libraries = await probeMpi();
  if (libraries.length === 0) {
    return [
      { name: 'MPI', available: false, detail: `needed for several machines; ${MPI_REMEDY}` },
    ];
  }
  const here = findLauncher();
  const started = here === null ? '' : `; started by ${here.name}, rank ${here.rank}`;
  return libraries.map(({ path, family, description }) => {
    const launcher = findMpirun(family);
    const how =
      launcher === null
        ? 'its launcher is not on the PATH'
        : `${launcher.program} -n 2 ${commandLine('train')}`;
    const level = probeThreadLevel(path) ?? 'thread level unknown: it does not start alone';
    const detail = `${description} (${path}, ${level}); ${how}${started}`;
    return { name: 'MPI', available: true, detail };
  });
}

/** How devices of several MPI processes exchange; where there is none, by way of the host's memory. Exported for its
 * tests. */
export async function ncclFinding(): Promise<Finding> {
  const { openNccl, ncclVersion } = await import('../ranks/probes.js');
  try {
    const { version, path } = await openNccl();
    return { name: 'NCCL', available: true, detail: `${ncclVersion(version)} (${path})` };
  } catch (error) {
    if (!(error instanceof PhantomError)) throw error;
    const use = 'between the devices of MPI processes';
    return { name: 'NCCL', available: false, detail: `${use}: ${error.message}` };
  }
}

/** Meters of energy; one that this user may not read says so. */
async function meterFindings(): Promise<(Finding & { denied: boolean })[]> {
  const { createMeter, probeCounter } = await import('../ranks/meters.js');
  const { COUNTER_NAMES } = await import('../../energy/counter-list.js');
  const counters = await Promise.all(
    COUNTER_NAMES.map(async (name) => {
      const { detail, ...found } = await probeCounter(name);
      return { name, ...found, detail: detail.replace(`[${name}] `, '') };
    }),
  );
  const model = await createMeter({ choice: 'modelled', machine: 'default' });
  const modelled = { name: model.name, available: true, detail: model.description, denied: false };
  return [...counters, modelled];
}

/** What would let ranks run on several machines. */
function mpiAdvice(mpi: readonly Finding[]): Advice[] {
  return mpi
    .filter(({ available }) => !available)
    .map(({ detail }) => ({ what: 'MPI: ranks on several machines', how: remedyIn(detail) }));
}

/** What would let energy be measured rather than modelled. */
function meterAdvice(meters: readonly (Finding & { denied: boolean })[]): Advice[] {
  const what = (name: string) => `${name}: energy measured instead of modelled`;
  const denied = meters.filter((meter) => meter.denied);
  if (denied.length > 0) {
    return denied.map(({ name, detail }) => ({ what: what(name), how: remedyIn(detail) }));
  }
  const processor = meters.filter(({ name }) => name === 'rapl' || name === 'hwmon');
  if (processor.some(({ available }) => available)) return [];
  const [rapl] = processor;
  return [{ what: what('an energy counter'), how: remedyIn(rapl?.detail ?? '') }];
}

/** What a finding says after what is wrong. */
function remedyIn(detail: string): string {
  return detail.slice(detail.indexOf('; ') + 1).trim();
}

/** What to do about what was found; exported for its tests. */
export function adviceFor(found: {
  readonly engines: readonly EngineFinding[];
  readonly auto: string | null;
  readonly probe: BlasProbe;
  readonly koffi: boolean;
  /** The version of Node from which on kernels are twice as wide; null: this one, or not on this machine. */
  readonly nodeLacks: number | null;
}): Advice[] {
  const rate = (name: string) =>
    found.engines.find((engine) => engine.name === name)?.flopsPerS ?? 0;
  const [blas, wasm, relaxed] = [rate('blas'), rate('wasm'), rate('wasm --relaxed-simd')];
  const advice: Advice[] = [];
  if (!found.koffi) {
    advice.push({
      what: 'koffi: native libraries for matrix products, MPI and GPU energy',
      how: `npm install ${KOFFI_PACKAGE}`,
    });
  }
  if (blas === 0) {
    advice.push({
      what: 'a native matrix library: matrix products 1.5 to 5 times as fast',
      how: found.probe.remedy,
    });
  }
  if (blas > 0 && wasm > blas * WORTHWHILE) {
    advice.push({
      what: `a faster matrix library: the one found takes ${(wasm / blas).toFixed(1)} times as long as WebAssembly`,
      how: `--engine wasm, or a faster library: ${found.probe.remedy}`,
    });
  }
  if (found.auto !== 'blas' && found.nodeLacks !== null) {
    advice.push({
      what: 'kernels of twice the width: matrix products up to 2 times as fast, with the same bits',
      how: `Node ${found.nodeLacks} or newer`,
    });
  }
  if (found.auto !== 'blas' && relaxed > wasm * WORTHWHILE) {
    advice.push({
      what:
        `fused multiply-add: matrix products ${(relaxed / wasm).toFixed(1)} times as fast; ` +
        'results then differ between kinds of CPU',
      how: commandLine('train', '--relaxed-simd'),
    });
  }
  return advice;
}
