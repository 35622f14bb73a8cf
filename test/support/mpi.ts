import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** An MPI launcher of this machine. */
export interface Mpirun {
  readonly family: 'Open MPI' | 'MPICH';
  readonly command: string;
  readonly options: readonly string[];
}

export interface MpiResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly elapsedMs: number;
}

export const PHANTOM = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));

const LAUNCHERS = [
  {
    family: 'Open MPI',
    commands: ['mpirun.openmpi', 'mpirun'],
    version: /open ?mpi|open-mpi/i,
    options: [
      '--oversubscribe',
      '--mca',
      'mpi_yield_when_idle',
      '1',
      '--mca',
      'btl_vader_single_copy_mechanism',
      'none',
    ],
  },
  { family: 'MPICH', commands: ['mpirun.mpich', 'mpirun'], version: /hydra/i, options: [] },
] as const;

const ENVIRONMENT = {
  OMPI_ALLOW_RUN_AS_ROOT: '1',
  OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
};

/** The launchers to test with, and those that are missing, with the reason to skip their tests. */
export function findMpiruns(): { mpirun: Mpirun; skip: string | false }[] {
  return LAUNCHERS.map(({ family, commands, version, options }) => {
    const command = commands.find((name) => {
      const { stdout, stderr } = spawnSync(name, ['--version'], {
        encoding: 'utf8',
        env: { ...process.env, ...ENVIRONMENT },
      });
      return version.test(`${stdout}${stderr}`);
    });
    const hidden = process.env['PHANTOM_MPI'] === 'none';
    const missing = command === undefined ? `no ${family} launcher here` : false;
    const required = process.env['PHANTOM_REQUIRE_NATIVE'] === '1';
    return {
      mpirun: { family, command: command ?? commands[0], options },
      // Where native parts are required, a test that cannot run fails.
      skip: required ? false : hidden ? 'PHANTOM_MPI hides MPI' : missing,
    };
  });
}

export interface MpiProcess {
  readonly result: Promise<MpiResult>;
  /** Of the launcher. */
  readonly pid: number;
  onStdout(listener: (text: string) => void): void;
}

/** Starts a script on so many ranks. */
export function startMpi(
  { command, options }: Mpirun,
  ranks: number,
  script: string,
  args: readonly string[] = [],
  { env = {}, cwd }: { env?: Record<string, string>; cwd?: string } = {},
): MpiProcess {
  const began = performance.now();
  const { NODE_TEST_CONTEXT: _, PHANTOM_MPI: __, ...inherited } = process.env;
  const child = spawn(
    command,
    [...options, '-n', String(ranks), process.execPath, script, ...args],
    {
      env: { ...inherited, ...ENVIRONMENT, ...env, PWD: cwd ?? process.cwd() },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(cwd === undefined ? {} : { cwd }),
    },
  );
  const texts = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    texts.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    texts.stderr += text;
  });
  const result = new Promise<MpiResult>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({ code, ...texts, elapsedMs: performance.now() - began });
    });
  });
  return {
    result,
    pid: child.pid ?? 0,
    onStdout: (listener) => child.stdout.on('data', listener),
  };
}

export async function runMpi(...parameters: Parameters<typeof startMpi>): Promise<MpiResult> {
  return startMpi(...parameters).result;
}
