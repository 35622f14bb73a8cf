import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** The processors of a machine that this process may use, and how they share memory. */
export interface Topology {
  /** NUMA nodes with a processor that may be used, in the order of their numbers. */
  readonly nodes: readonly MemoryNode[];
  /** Processors that may be used, which are hardware threads. */
  readonly threads: number;
  /** Cores that these threads belong to. */
  readonly cores: number;
  /** Processors of the machine that are switched on. */
  readonly online: number;
  /** The file of the control group that leaves fewer than all; null: none does. */
  readonly cpuSet: string | null;
}

/** A NUMA node. */
export interface MemoryNode {
  readonly id: number;
  /** Processors of it that may be used. */
  readonly cpus: readonly number[];
}

/**
 * Reads the topology once; null where the system does not say (other systems than Linux).
 *
 * @param root of the file system; `sys/devices/system`, `sys/fs/cgroup` and `proc/self` are below it
 */
export function readTopology(root = '/'): Topology | null {
  const read = (file: string): string | null => textOf(path.join(root, file));
  const online = cpuList(read('sys/devices/system/cpu/online'));
  if (online.length === 0) return null;
  const status = read('proc/self/status') ?? '';
  const allowed = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1];
  const mayUse = new Set(allowed === undefined ? online : cpuList(allowed));
  const usable = online.filter((cpu) => mayUse.has(cpu));
  const siblings = usable.map(
    (cpu) => read(`sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`) ?? `${cpu}`,
  );
  return {
    nodes: nodesOf(root, usable),
    threads: usable.length,
    cores: new Set(siblings).size,
    online: online.length,
    cpuSet: cpuSetFile(root, online.length),
  };
}

/** A machine without a list of nodes is one node. */
function nodesOf(root: string, usable: readonly number[]): MemoryNode[] {
  const folder = path.join(root, 'sys/devices/system/node');
  const found = namesIn(folder).flatMap((name): MemoryNode[] => {
    const [, id] = /^node(\d+)$/.exec(name) ?? [];
    if (id === undefined) return [];
    const own = new Set(cpuList(textOf(path.join(folder, name, 'cpulist'))));
    // Nodes of memory alone have no processor.
    const cpus = usable.filter((cpu) => own.has(cpu));
    return cpus.length === 0 ? [] : [{ id: Number(id), cpus }];
  });
  if (found.length === 0) return [{ id: 0, cpus: usable }];
  return found.toSorted((a, b) => a.id - b.id);
}

/** Of this process' group or the nearest one above it that has the file. */
function cpuSetFile(root: string, online: number): string | null {
  const lines = (textOf(path.join(root, 'proc/self/cgroup')) ?? '').split('\n');
  for (const line of lines) {
    const [, controllers = '', group = '/'] = line.split(':');
    const isSecond = controllers === '';
    if (!isSecond && !controllers.split(',').includes('cpuset')) continue;
    const mount = path.join(root, 'sys/fs/cgroup', isSecond ? '' : 'cpuset');
    const file = isSecond ? 'cpuset.cpus.effective' : 'cpuset.effective_cpus';
    const parts = group.split('/').filter((part) => part !== '' && part !== '..');
    for (let depth = parts.length; depth >= 0; depth--) {
      const at = path.join(mount, ...parts.slice(0, depth), file);
      const cpus = cpuList(textOf(at));
      if (cpus.length > 0) return cpus.length < online ? at : null;
    }
  }
  return null;
}

/**
 * The processors that each of so many ranks is bound to: those of one node, ranks that follow one
 * another on the same node, and as many on each as it has processors. Null: there is one node only, so
 * that nothing is gained, or there are fewer ranks than nodes, which would leave nodes idle, and put all
 * runs of one rank on the same one.
 */
export function placeRanks(
  { nodes, threads }: Topology,
  ranks: number,
): readonly number[][] | null {
  if (nodes.length < 2 || ranks < nodes.length) return null;
  return Array.from({ length: ranks }, (_, rank) => {
    // The rank's middle, in processors.
    let left = ((rank + 0.5) * threads) / ranks;
    const node = nodes.find(({ cpus }) => (left -= cpus.length) < 0) ?? nodes.at(-1);
    return [...(node?.cpus ?? [])];
  });
}

/** `0-3,8` as numbers; none where it is no such list. */
export function cpuList(text: string | null): number[] {
  return (text ?? '').split(',').flatMap((part) => {
    const [, first, last = first] = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(part) ?? [];
    if (first === undefined) return [];
    const count = Number(last) - Number(first) + 1;
    return Array.from({ length: Math.max(0, count) }, (_, i) => Number(first) + i);
  });
}

function textOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return null; // Other systems have none.
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
