import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { ProcessPlace } from '../communicators/rank-context.js';
import type { EndEvent, TrainingEvent } from '../training/events.js';
import type { JobEnd } from './cause.js';

/** The last of what a job writes to stderr, for its cause. */
const STDERR_CHARACTERS = 64 * 1024;

/** What is started: a launcher, or the training command itself. */
export interface JobCommand {
  readonly program: string;
  readonly arguments: readonly string[];
  /** For people. */
  readonly description: string;
  /** What ends it at once, and its ranks with it. */
  readonly endSignal: 'SIGTERM' | 'SIGKILL';
}

/** A job that runs. It has a session of its own: a terminal's Ctrl-C reaches its owner alone. */
export interface Job {
  readonly done: Promise<{ readonly end: EndEvent | null; readonly how: JobEnd }>;
  /** Asks rank 0 to stop after its step with a checkpoint, through its stdin. It stops too when
   * its owner is gone. */
  requestStop(): void;
  /** Ends it at once. */
  kill(): void;
}

type Line = TrainingEvent | { type: 'error'; name: string; message: string };

/**
 * Starts a training command that writes its events as lines (`--json --watch-stdin`).
 *
 * @param onEvent takes all of them but an error
 */
export function startJob(command: JobCommand, onEvent: (event: TrainingEvent) => void): Job {
  const child = spawn(command.program, command.arguments, {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  let stderr = '';
  let error: JobEnd['error'] = null;
  let end: EndEvent | null = null;
  let started = false;
  let processes: readonly ProcessPlace[] | null = null;
  const onLine = (text: string): void => {
    const line = parseLine(text);
    if (line === null) stderr += `${text}\n`;
    else if (line.type === 'error') error ??= { name: line.name, message: line.message };
    else {
      if (line.type === 'end') end = line;
      if (line.type === 'start') {
        started = true;
        ({ processes } = line);
      }
      onEvent(line);
    }
  };
  createInterface({ input: child.stdout }).on('line', onLine);
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_CHARACTERS);
  });
  // A job that has ended reads nothing; its end says so.
  child.stdin.on('error', () => {});
  const done = new Promise<Awaited<Job['done']>>((resolve) => {
    const finish = (code: number | null, signal: string | null) => {
      const how = { code, signal, error, stderr, started, processes, program: command.description };
      resolve({ end, how });
    };
    child.on('error', (failure) => {
      stderr += `${failure.message}\n`;
      finish(null, null);
    });
    child.on('close', finish);
  });
  return {
    done,
    requestStop: () => child.stdin.end(),
    kill: () => {
      child.kill(command.endSignal);
    },
  };
}

/** An event; null: a line of something else, a launcher's notice. */
function parseLine(text: string): Line | null {
  try {
    const line = JSON.parse(text) as Line | null;
    return typeof line?.type === 'string' ? line : null;
  } catch {
    return null;
  }
}
