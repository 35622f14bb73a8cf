import { readFileSync, readlinkSync } from 'node:fs';
import os from 'node:os';

/** A process, distinct from every other that has had or will have its number. */
export interface ProcessIdentity {
  readonly host: string;
  /** Of the host's boot, and the part of it that its containers see. */
  readonly boot: string;
  readonly pid: number;
  /** Clock ticks after the boot; null: this system does not say. */
  readonly start: string | null;
}

/** The fields of `/proc/<pid>/stat` after the name: state, parent, …; null: there is none. */
export function processStat(pid: number): readonly string[] | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return null;
  }
  // The name, in parentheses, may hold anything.
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

export function thisProcess(): ProcessIdentity {
  const { pid } = process;
  return { host: os.hostname(), boot: bootName(), pid, start: startOf(pid) };
}

/** Whether a process runs; null: it cannot be seen from here. */
export function isRunning({ host, boot, pid, start }: ProcessIdentity): boolean | null {
  if (host !== os.hostname() || boot !== bootName()) return null;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Of another user; a number that no process can have is refused in other ways.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const [state] = processStat(pid) ?? [];
  // One that has ended and was not waited for keeps its number.
  return state !== 'Z' && (start === null || startOf(pid) === start);
}

function startOf(pid: number): string | null {
  return processStat(pid)?.[19] ?? null;
}

function bootName(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return '';
  }
}
