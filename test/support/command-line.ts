import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command takes seconds. */
const MOST_MS = 120_000;

/**
 * Runs commands one after another in one process, which is started when the first is asked for: a
 * process for each would load the same modules every time. What ends a process, or needs one of its
 * own, is tested with processes.
 */
export class CommandLine {
  readonly #cwd: string;
  readonly #env: Readonly<Record<string, string>>;
  #started: { readonly child: ChildProcess } | null = null;

  constructor(
    context: { after(work: () => unknown): void },
    cwd: string,
    env: Readonly<Record<string, string>> = {},
  ) {
    this.#cwd = cwd;
    this.#env = env;
    context.after(async () => {
      const { child } = this.#started ?? {};
      if (child === undefined || child.exitCode !== null) return;
      const ended = once(child, 'exit');
      child.kill();
      await ended;
    });
  }

  /** @param args the words of `phantom`; not two at a time */
  async run(...args: readonly string[]): Promise<CommandResult> {
    const { child } = (this.#started ??= { child: this.#start() });
    child.send(args);
    return new Promise((resolve, reject) => {
      const ended = (code: number | null) =>
        reject(new Error(`the process ended with ${code} in phantom ${args.join(' ')}`));
      // A command that hangs ends the process, which says which command it was.
      const late = setTimeout(() => child.kill('SIGKILL'), MOST_MS);
      child.once('exit', ended);
      child.once('message', (result) => {
        clearTimeout(late);
        child.off('exit', ended);
        resolve(result as CommandResult);
      });
    });
  }

  #start(): ChildProcess {
    return fork(fileURLToPath(new URL('command-line-process.js', import.meta.url)), {
      cwd: this.#cwd,
      execArgv: [],
      env: { ...process.env, NO_COLOR: '1', ...this.#env },
    });
  }
}
