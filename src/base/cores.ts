import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** Cores that this process may use: those of its affinity, and no more than its control groups give
 * it time for. At least 1. */
export function availableCores(): number {
  const limit = coreLimit('/')?.cores ?? Number.POSITIVE_INFINITY;
  return Math.max(1, Math.min(os.availableParallelism(), Math.floor(limit)));
}

/** What control groups limit the processor time of this process to. */
export interface CoreLimit {
  /** Seconds of processor time a second, as in 1.5. */
  readonly cores: number;
  /** The file that says so. */
  readonly file: string;
}

/**
 * The least of the limits of a process' control groups and those above: `cpu.max` of version 2,
 * `cpu.cfs_quota_us` of version 1; null: there is none.
 *
 * @param root of the file system; `proc/self/cgroup` and `sys/fs/cgroup` are below it
 */
export function coreLimit(root: string): CoreLimit | null {
  const limits = groupsOf(root).flatMap(({ mount, group, version }) =>
    foldersUp(mount, group).flatMap((folder) => limitIn(folder, version)),
  );
  return limits.toSorted((a, b) => a.cores - b.cores)[0] ?? null;
}

interface Group {
  readonly mount: string;
  readonly group: string;
  readonly version: 1 | 2;
}

function groupsOf(root: string): Group[] {
  const base = path.join(root, 'sys/fs/cgroup');
  const lines = (textOf(path.join(root, 'proc/self/cgroup')) ?? '').split('\n');
  return lines.flatMap((line): Group[] => {
    const [id, controllers = '', group = '/'] = line.split(':');
    if (id === '0' && controllers === '') return [{ mount: base, group, version: 2 }];
    if (!controllers.split(',').includes('cpu')) return [];
    return [controllers, 'cpu'].map((name) => ({
      mount: path.join(base, name),
      group,
      version: 1,
    }));
  });
}

/** A group's folder and those above it; in a container that of the group may not be mounted. */
function foldersUp(mount: string, group: string): string[] {
  const names = group.split('/').filter((name) => name !== '' && name !== '..');
  return Array.from({ length: names.length + 1 }, (_, i) =>
    path.join(mount, ...names.slice(0, names.length - i)),
  );
}

function limitIn(folder: string, version: 1 | 2): CoreLimit[] {
  const file = path.join(folder, version === 2 ? 'cpu.max' : 'cpu.cfs_quota_us');
  const text = textOf(file);
  if (text === null) return [];
  const period = version === 2 ? '' : ` ${textOf(path.join(folder, 'cpu.cfs_period_us')) ?? ''}`;
  // `max`, or -1 of version 1, is no limit.
  const [, quota, every] = /^(\d+)\s+(\d+)$/.exec(text + period) ?? [];
  const cores = Number(quota) / Number(every);
  return Number.isFinite(cores) && cores > 0 ? [{ cores, file }] : [];
}

function textOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return null; // Other systems have none.
  }
}
