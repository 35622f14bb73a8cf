import { readFileSync } from 'node:fs';

/** Seconds of CPU time of all threads of this process. */
export function processCpuS(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Seconds of CPU time of the calling thread; null where the system does not tell. */
export function threadCpuS(): number | null {
  try {
    // Nanoseconds on a core, nanoseconds waiting for one, time slices.
    const [nanoseconds = ''] = readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ');
    return /^\d+$/.test(nanoseconds) ? Number(nanoseconds) / 1e9 : null;
  } catch {
    return null;
  }
}
