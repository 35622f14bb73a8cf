import { existsSync, readdirSync } from 'node:fs';
import { UnsupportedError } from '../base/errors.js';
import { processStat } from '../base/process-identity.js';

/** Of the kernel's clock as /proc tells it, on all systems that Node runs on. */
const TICKS_A_SECOND = 100;

interface Process {
  readonly parent: number;
  /** Of its threads. */
  readonly ticks: number;
  /** Of children that have ended and been waited for, and of theirs. */
  readonly childTicks: number;
}

/**
 * CPU time of the programs that this process starts from now on, and of what they start: those
 * that run and those that have ended and were waited for. A program that leaves its parent behind
 * is seen until its parent ends.
 *
 * @throws UnsupportedError where there is no /proc
 */
export function childrenCpuS(): () => number {
  if (!existsSync('/proc/self/stat')) {
    throw new UnsupportedError(
      'energy',
      'the CPU time of another program is read from /proc, which this system does not have; ' +
        'use a counter, or --meter none',
    );
  }
  const own = process.pid;
  const ended = () => readProcess(own)?.childTicks ?? 0;
  const before = ended();
  let reached = 0;
  return () => {
    const sum = ended() - before + runningTicks(own);
    // What has ended is counted a moment later by its parent.
    reached = Math.max(reached, sum);
    return reached / TICKS_A_SECOND;
  };
}

/** Ticks of all processes below one, at any depth. */
function runningTicks(root: number): number {
  const children = new Map<number, { pid: number; ticks: number }[]>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const found = readProcess(Number(entry));
    if (found === null) continue;
    const { parent, ticks, childTicks } = found;
    const siblings = children.get(parent) ?? [];
    siblings.push({ pid: Number(entry), ticks: ticks + childTicks });
    children.set(parent, siblings);
  }
  let sum = 0;
  const open = [root];
  for (let pid = open.pop(); pid !== undefined; pid = open.pop()) {
    for (const child of children.get(pid) ?? []) {
      sum += child.ticks;
      open.push(child.pid);
    }
  }
  return sum;
}

/** Null when it has ended. */
function readProcess(pid: number): Process | null {
  const fields = processStat(pid);
  if (fields === null) return null;
  const field = (i: number) => Number(fields[i] ?? 0);
  return { parent: field(1), ticks: field(11) + field(12), childTicks: field(13) + field(14) };
}
