import { readdirSync, readFileSync } from 'node:fs';
import { UnsupportedError } from './errors.js';

/** What V8 reserves for a memory that grows, whatever of it is used, and for a thread. */
const MEMORY_RESERVED_BYTES = 10 * 2 ** 30;
const ROUND_KIB = 2 ** 20;
const THREAD_RESERVED_BYTES = 2 ** 30;
/** Files that a thread holds open, and that loading a program does. */
const THREAD_FILES = 4;
const PROGRAM_FILES = 48;
/** Threads besides ranks: a loader, and those of Node. */
const OTHER_THREADS = 8;

/**
 * Refuses to start ranks where the limits of this process (`ulimit`) leave no room for them.
 *
 * @param ranks that are to be threads of this process; 0: none, the program alone
 * @throws UnsupportedError with the limit, and the number that is needed
 */
export function checkLimits(ranks: number): void {
  const limits = readText('/proc/self/limits');
  if (limits === null) return;
  const limitOf = (name: string) => {
    const soft = new RegExp(String.raw`^Max ${name}\s+(\w+)`, 'm').exec(limits)?.[1];
    return soft === undefined || soft === 'unlimited' ? Infinity : Number(soft);
  };
  const need = (what: string, flag: string, [limit, least]: readonly [number, number]) => {
    if (limit >= least) return;
    // In round numbers: what is in use is not the same at every start.
    const unit = least < ROUND_KIB ? 1 : ROUND_KIB;
    const needed = Math.ceil(least / unit) * unit + (unit > 1 ? unit : 0);
    const who = ranks === 0 ? 'this command needs' : `${ranks} ranks need`;
    const fewer = ranks > 1 ? ', or use fewer ranks' : '';
    const value = `${who} ${needed} ${what}, ulimit -${flag} is ${limit}`;
    throw new UnsupportedError('limits', `${value}; set ulimit -${flag} ${needed}${fewer}`);
  };
  const threads = ranks + OTHER_THREADS;
  const files = PROGRAM_FILES + (ranks === 0 ? 0 : THREAD_FILES * threads);
  need('open files', 'n', [limitOf('open files'), files]);
  if (ranks === 0) return;
  const running = readdirSync('/proc/self/task').length;
  need('threads', 'u', [limitOf('processes'), running + threads]);
  const status = readText('/proc/self/status') ?? '';
  const usedBytes = 1024 * Number(/^VmSize:\s+(\d+)/m.exec(status)?.[1] ?? 0);
  // Besides the ranks', an engine is tried beforehand, and another is measured.
  const memories = (ranks + 3) * MEMORY_RESERVED_BYTES;
  const neededKib = Math.ceil((usedBytes + memories + threads * THREAD_RESERVED_BYTES) / 1024);
  need('KiB of address space', 'v', [limitOf('address space') / 1024, neededKib]);
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null; // This system has other limits.
  }
}
