import type { CommanderError } from 'commander';
import { setTimeout as sleep } from 'node:timers/promises';
import { ElsewhereError } from '../communicators/elsewhere.js';
import { hint } from '../base/nearest.js';
import { PhantomError } from '../base/errors.js';
import { wrapText } from './table.js';

/** Exit codes, besides 128 + the number of a signal that ended a run. */
export const EXIT = { fine: 0, internal: 1, user: 2, diverged: 3 } as const;

/** A mistake on the command line itself. */
export class UsageError extends PhantomError {}

/**
 * Tells what went wrong: users' errors in a line each, all others with a stack.
 *
 * @param json also as an object on stdout, where `--json` readers look
 * @returns the exit code
 */
export function reportFailure(error: unknown, json: boolean, write = writeLine): number {
  const user = error instanceof PhantomError;
  const name = error instanceof Error ? error.name : 'Error';
  const message = error instanceof Error ? error.message : String(error);
  if (json) write('stdout', JSON.stringify({ type: 'error', name, message }));
  if (user) {
    for (const line of message.split('\n')) write('stderr', `phantom: ${line}`);
    return EXIT.user;
  }
  write('stderr', `phantom: internal error: ${message}`);
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line));
  for (const line of frames) write('stderr', line);
  write(
    'stderr',
    'This is a bug in phantom-parallel; please report it with the command and this text.',
  );
  return EXIT.internal;
}

/** How long a rank other than the first waits before it tells a failure of its own. */
const SILENCE_MS = 2000;

/**
 * The same for a process that may be one of several: rank 0 tells, and its exit ends the job. What
 * failed on another rank alone is reported by it, after a time in which rank 0 would have.
 */
export async function reportRankFailure(
  error: unknown,
  json: boolean,
  rank: number,
): Promise<number> {
  if (rank === 0) return reportFailure(error, json);
  await sleep(SILENCE_MS);
  // Every process has the same command line.
  if (error instanceof ElsewhereError || error instanceof UsageError) return EXIT.user;
  return reportFailure(error, false, (stream, line) => writeLine(stream, `rank ${rank}: ${line}`));
}

function writeLine(stream: 'stdout' | 'stderr', line: string): void {
  const { isTTY, columns } = process.stderr;
  const lines = stream === 'stderr' && isTTY ? wrapText(line, columns) : [line];
  process[stream].write(`${lines.join('\n')}\n`);
}

/**
 * Commander's errors in this project's words, the nearest flag among those a command has.
 *
 * @param flags with their hyphens
 */
export function usageError(error: CommanderError, flags: readonly string[]): UsageError {
  const quoted = /'([^']*)'/.exec(error.message)?.[1] ?? '';
  const plain = error.message.replace(/^error: /, '').split('\n', 1)[0] ?? '';
  if (error.code === 'commander.unknownOption') {
    const [flag = ''] = quoted.split('=');
    if (flags.includes(flag)) return new UsageError('flags', `${flag} takes no value`);
    return new UsageError('flags', `unknown flag ${flag}${hint(flag, flags)}`);
  }
  if (error.code === 'commander.optionMissingArgument') {
    return new UsageError('flags', `${quoted.split(' ', 1)[0]} needs a value`);
  }
  return new UsageError('arguments', `${plain.replace(/\.$/, '')}; see --help`);
}
