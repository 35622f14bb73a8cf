// A training run under `phantom launch` whose processes are killed as it goes.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, watch } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { trainingProcesses } from '../../test/support/processes.js';

const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));

/** When a process is killed: before training, in it, or while a checkpoint is written. */
export const MOMENTS = ['start-up', 'training', 'checkpoint'] as const;
export type Moment = (typeof MOMENTS)[number];

export interface Kill {
  readonly moment: Moment;
  readonly rank: number;
  /** Whether a checkpoint was being written just after; at other moments than `checkpoint` it may
   * be one that an earlier kill has left. */
  readonly writing: boolean;
  /** What the launch said of it. */
  cause: string;
  named: number | null;
  /** Step that the run went on from; null: anew. */
  step: number | null;
}

export interface LaunchedRun {
  readonly kills: readonly Kill[];
  readonly exitCode: number | null;
  readonly stderr: string;
}

interface Event {
  readonly type: string;
  readonly cause?: string;
  readonly rank?: number | null;
  readonly step?: number | null;
}

/**
 * Runs to the end and kills a process in each of the first starts.
 *
 * @param plan moments, one a start; the start after the last of them is left alone
 * @param uniform a number of [0, 1) for every call
 */
export async function runKilled(
  launch: readonly string[],
  train: readonly string[],
  out: string,
  plan: readonly Moment[],
  uniform: () => number,
): Promise<LaunchedRun> {
  const args = [MAIN, 'launch', ...launch, '--json', '--', 'train', ...train, '--out', out];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const kills: Kill[] = [];
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  let training = false;
  const run = { ended: false };
  let restarts = 0;
  createInterface({ input: child.stdout }).on('line', (line) => {
    const event = JSON.parse(line) as Event;
    if (event.type === 'start') training = true;
    if (event.type === 'end') run.ended = true;
    if (event.type !== 'restart') return;
    training = false;
    const kill = kills[restarts++];
    if (kill === undefined) return;
    Object.assign(kill, { cause: event.cause, named: event.rank, step: event.step });
  });
  const exit = new Promise<number | null>((resolve) => {
    child.on('close', (code) => {
      run.ended = true;
      resolve(code);
    });
  });
  const until = async (condition: () => boolean) => {
    while (!condition() && !run.ended) await sleep(20);
  };
  for (const moment of plan) {
    await until(() => trainingProcesses(out).length > 0);
    if (moment === 'start-up') await sleep(700 * uniform());
    else await until(() => training);
    if (moment === 'training') await sleep(400 * uniform());
    const processes = trainingProcesses(out);
    if (run.ended || processes.length === 0) break;
    const victim = processes[Math.floor(uniform() * processes.length)];
    if (moment === 'checkpoint') await writing(out, 300 * uniform());
    if (run.ended) break;
    try {
      process.kill(victim.pid, 'SIGKILL');
    } catch {
      break; // The run came to its end first.
    }
    const { rank } = victim;
    kills.push({ moment, rank, writing: isWriting(out), cause: '', named: null, step: null });
    await until(() => restarts === kills.length);
  }
  const exitCode = await exit;
  // What is killed after its end event is not started again: the run was complete.
  return { kills: kills.slice(0, restarts), exitCode, stderr };
}

const isPartial = (name: string) => name.endsWith('.partial');

function isWriting(out: string): boolean {
  const checkpoints = path.join(out, 'checkpoints');
  return existsSync(checkpoints) && readdirSync(checkpoints).some(isPartial);
}

/** Waits until a checkpoint begins to be written, after a time. */
async function writing(out: string, delayMs: number): Promise<void> {
  await sleep(delayMs);
  const checkpoints = path.join(out, 'checkpoints');
  mkdirSync(checkpoints, { recursive: true });
  await new Promise<void>((resolve) => {
    const watcher = watch(checkpoints, (_event, name) => {
      if (name !== null && isPartial(name) && isWriting(out)) done();
    });
    const timer = setTimeout(() => done(), 5000);
    const done = () => {
      clearTimeout(timer);
      watcher.close();
      resolve();
    };
  });
}
