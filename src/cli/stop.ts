import { constants } from 'node:os';

/** Tells a run to stop, and knows what asked for it. */
export interface Stop {
  readonly signal: AbortSignal;
  /** 128 + the signal's number, as shells have it; null while nothing has been asked. */
  exitCode(): number | null;
  /** Asks when a stream ends: whoever started this process wants it to stop, or is gone. */
  whenEnds(stream: NodeJS.ReadableStream): void;
  dispose(): void;
}

/** Of a user, of a system, and of a terminal that goes away. */
const END_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
type EndSignal = (typeof END_SIGNALS)[number];

/**
 * The first SIGINT, SIGTERM or SIGHUP, or a reader of stdout that goes away, asks the run to stop; a
 * further SIGINT or SIGTERM ends the process at once. A further SIGHUP does not: the system and the
 * shell each send one when a terminal is closed.
 *
 * @param beforeExit is called before it does
 */
export function stopOnSignals(
  say: (line: string) => void,
  beforeExit: () => void = () => {},
): Stop {
  const controller = new AbortController();
  let exitCode: number | null = null;
  const ask = (name: EndSignal | 'SIGPIPE') => {
    exitCode ??= 128 + constants.signals[name];
    controller.abort(name);
  };
  const onSignal = (name: EndSignal) => {
    if (controller.signal.aborted) {
      if (name === 'SIGHUP') return;
      say('Stopped at once; no checkpoint was written.');
      beforeExit();
      process.exit(128 + constants.signals[name]);
    }
    const again = name === 'SIGINT' ? 'press Ctrl-C again' : 'send SIGTERM';
    say(`Stopping after this step, with a checkpoint; ${again} to stop at once.`);
    ask(name);
  };
  const onClosed = (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') ask('SIGPIPE');
  };
  for (const name of END_SIGNALS) process.on(name, onSignal);
  process.stdout.on('error', onClosed);
  return {
    signal: controller.signal,
    exitCode: () => exitCode,
    whenEnds: (stream) => {
      stream.once('end', () => ask('SIGTERM')).resume();
    },
    dispose() {
      for (const name of END_SIGNALS) process.off(name, onSignal);
      process.stdout.off('error', onClosed);
    },
  };
}
