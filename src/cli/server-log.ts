import type { Log } from '../serving/server/log.js';

/** What waits to be written at most; more is dropped. */
const MOST_WAITING_BYTES = 1 << 20;
/** How long the end waits for what has not been written. */
const FLUSH_MS = 1000;

const LEVELS = { debug: 20, info: 30, warn: 40, error: 50, silent: Infinity } as const;

export type LogLevel = keyof typeof LEVELS;
export const LOG_LEVELS = Object.keys(LEVELS) as LogLevel[];

export interface ServerLog extends Log {
  /** Writes what can be written soon. */
  end(): Promise<void>;
}

/**
 * A log on stdout that never waits for it: lines are written beside everything else, and dropped,
 * with a count, while they cannot be written. A line is a JSON object, on a terminal a text.
 */
export async function createServerLog(level: LogLevel): Promise<ServerLog> {
  const { pino } = await import('pino');
  // A pipe must not block the thread that writes to it: the process could not end. Node sees to that
  // when its own stream is asked for.
  const isTerminal = process.stdout.isTTY;
  const file = pino.destination({ dest: 1, sync: false, maxLength: MOST_WAITING_BYTES });
  let dropped = 0;
  let reported = 0;
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  const write = (line: string) => file.write(readable(line));
  const log = pino(options, isTerminal ? { write } : file);
  file.on('drop', () => {
    dropped++;
  });
  // A full disk, say: what waits is tried again with the next line.
  file.on('error', () => {});
  file.on('write', () => {
    if (dropped === reported) return;
    const lines = dropped - reported;
    reported = dropped;
    log.warn({ dropped: lines }, 'log lines could not be written');
  });
  return {
    info: (fields, message) => log.info(fields, message),
    warn: (fields, message) => log.warn(fields, message),
    error: (fields, message) => log.error(fields, message),
    async end() {
      await new Promise<void>((resolve) => {
        setTimeout(resolve, FLUSH_MS).unref();
        file.flush(() => resolve());
      });
      file.destroy();
    },
  };
}

/** A line of the log for people. */
export function readable(line: string): string {
  const { level, time, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const name = LOG_LEVELS.find((each) => LEVELS[each] === level) ?? String(level);
  const at = new Date(String(time)).toTimeString().slice(0, 8);
  const rest = Object.entries(fields).map(([key, value]) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return `${key}=${/^[^\s"=]+$/.test(text) ? text : JSON.stringify(text)}`;
  });
  return `${[at, name.padEnd(5), String(msg), ...rest].join(' ')}\n`;
}
