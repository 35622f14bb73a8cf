import { spawn } from 'node:child_process';
import { PHANTOM } from './mpi.js';

export interface LaunchResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Objects of stdout, where `--json` was given. */
  readonly events: readonly LaunchEvent[];
}

export interface LaunchEvent {
  readonly type: string;
  readonly cause?: string;
  readonly message?: string;
  readonly rank?: number | null;
  readonly step?: number | null;
  readonly where?: string;
  readonly reason?: string;
}

/** Runs `phantom launch`, with what Open MPI wants of root. */
export function startLaunch(
  cwd: string,
  args: readonly string[],
  onEvent: (event: LaunchEvent) => void = () => {},
) {
  const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
  const root = { OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' };
  const child = spawn(process.execPath, [PHANTOM, 'launch', ...args], {
    cwd,
    env: { ...inherited, ...root },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr, done] = ['', '', 0];
  const events: LaunchEvent[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    if (!args.includes('--json')) return;
    for (let end = stdout.indexOf('\n', done); end >= 0; end = stdout.indexOf('\n', done)) {
      const event = JSON.parse(stdout.slice(done, end)) as LaunchEvent;
      done = end + 1;
      events.push(event);
      onEvent(event);
    }
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const result = new Promise<LaunchResult>((resolve) => {
    child.on('close', (code) => resolve({ code, stdout, stderr, events }));
  });
  return { child, result };
}
