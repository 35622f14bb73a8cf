import { styleText } from 'node:util';
import type { Launcher } from '../communicators/launcher.js';
import { wrapText } from './table.js';

export type Style = 'bold' | 'dim' | 'green' | 'red' | 'yellow' | 'cyan';

/** Where a command writes: results on one stream, what is live or wrong on the other. */
export interface Console {
  /** A line of the result. */
  out(line: string): void;
  /** A line for the person at the terminal. */
  err(line: string): void;
  /** Replaces the live line; an empty text removes it. Nothing where nobody watches. */
  live(line: string): void;
  /** Whether live lines are seen. */
  readonly watched: boolean;
  /** Whether result lines are seen by a person, and not by a pipe or file. */
  readonly interactive: boolean;
  /** Of the live line. */
  readonly columns: number;
  /** Columns that result lines have; without a terminal they are never broken. */
  readonly width: number;
  /** Of the job that this process is a rank of; null: it is alone. */
  readonly launcher: Launcher | null;
  style(style: Style, text: string): string;
}

/** Colors follow the stream's own judgement: a terminal that has them, and no NO_COLOR. */
export function createConsole(
  stdout: NodeJS.WriteStream = process.stdout,
  stderr: NodeJS.WriteStream = process.stderr,
): Console {
  let shown = '';
  const erase = () => {
    if (shown !== '') stderr.write('\r\u001B[K');
    shown = '';
  };
  const above = (stream: NodeJS.WriteStream, line: string) => {
    const restore = shown;
    erase();
    stream.write(`${line}\n`);
    if (restore !== '') live(restore);
  };
  const live = (line: string) => {
    if (!stderr.isTTY) return;
    erase();
    stderr.write(line);
    shown = line;
  };
  const colored = stdout.isTTY && stdout.hasColors();
  return {
    out: (line) => above(stdout, line),
    err: (line) => above(stderr, stderr.isTTY ? wrapText(line, stderr.columns).join('\n') : line),
    live,
    watched: stderr.isTTY,
    interactive: stdout.isTTY,
    columns: stderr.columns ?? 80,
    launcher: null,
    width: stdout.isTTY ? stdout.columns : Number.POSITIVE_INFINITY,
    style: (style, text) => (colored ? styleText(style, text, { validateStream: false }) : text),
  };
}

/**
 * The console of a command that may be one of several processes: rank 0 alone writes, in lines. A
 * launcher may give it a terminal of its own, but what people see went through the launcher.
 */
export function createRankConsole(launcher: Launcher | null): Console {
  const console = createConsole();
  if (launcher === null) return console;
  const nothing = () => {};
  const plain: Console = {
    ...console,
    launcher,
    live: nothing,
    watched: false,
    interactive: false,
    width: Number.POSITIVE_INFINITY,
    style: (_style, text) => text,
  };
  return launcher.rank === 0 ? plain : { ...plain, out: nothing, err: nothing };
}

/** What cannot be written ends nothing: a closed pipe (`phantom doctor | head`) is the reader's choice,
 * and on a full disk a run has its checkpoints to write. */
export function tolerateLostOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE' || stream === process.stderr) return;
      process.stderr.write(`phantom: stdout: ${error.message}; going on without it\n`);
    });
    stream.on('error', () => {});
  }
}

/** Waits until everything written has left the process, or its reader has. */
export async function flushed(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    if (stream.writableLength === 0 || stream.destroyed) continue;
    await new Promise<void>((resolve) => {
      stream.once('drain', resolve);
      stream.once('close', resolve);
      stream.once('error', () => resolve());
    });
  }
}

/** What shows warnings to the person at the terminal. */
export function warningsTo(console: Console): (message: string) => void {
  return (message) => console.err(console.style('yellow', `warning: ${message}`));
}
