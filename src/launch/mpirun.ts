import { spawnSync } from 'node:child_process';
import os from 'node:os';
import { ConfigError } from '../base/errors.js';
import type { Host } from './hosts.js';

/** A program that starts MPI jobs. */
export interface Mpirun {
  readonly program: string;
  readonly family: 'Open MPI' | 'MPICH';
}

const FAMILIES = { 'Open MPI': /open ?mpi|open-mpi/i, MPICH: /hydra|intel/i } as const;
const NAMES = { 'Open MPI': ['mpirun', 'mpirun.openmpi'], MPICH: ['mpirun', 'mpirun.mpich'] };

/** What a program of this name or path is; null: no MPI launcher that is known. */
export function identifyMpirun(program: string): Mpirun | null {
  const { stdout, stderr } = spawnSync(program, ['--version'], { encoding: 'utf8', timeout: 5000 });
  const words = `${stdout ?? ''}${stderr ?? ''}`;
  const family = (['Open MPI', 'MPICH'] as const).find((name) => FAMILIES[name].test(words));
  return family === undefined ? null : { program, family };
}

/** The launcher of an MPI family on the PATH. */
export function findMpirun(family: Mpirun['family']): Mpirun | null {
  for (const name of NAMES[family]) {
    const found = identifyMpirun(name);
    if (found?.family === family) return found;
  }
  return null;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Why a launcher will refuse to start here, with what to do; null: nothing is known. */
export function refusalOf(
  { family }: Mpirun,
  environment: Environment = process.env,
  userId: number | undefined = process.getuid?.(),
): string | null {
  const names = ['OMPI_ALLOW_RUN_AS_ROOT', 'OMPI_ALLOW_RUN_AS_ROOT_CONFIRM'];
  if (family !== 'Open MPI' || userId !== 0) return null;
  if (names.every((name) => environment[name] === '1')) return null;
  return (
    `mpirun of Open MPI refuses to run as root; set ${names.join('=1 and ')}=1, run it as another ` +
    'user, or use --transport threads'
  );
}

/**
 * A launcher's own arguments, before the command that it starts.
 *
 * @param hosts null: this machine
 * @throws ConfigError when the launcher will refuse
 */
export function mpirunArguments(
  mpirun: Mpirun,
  ranks: number,
  hosts: readonly Host[] | null,
  environment: Environment = process.env,
): string[] {
  const refusal = refusalOf(mpirun, environment);
  if (refusal !== null) throw new ConfigError('launch', refusal);
  const list = hosts?.map(({ name, slots }) => `${name}:${slots}`).join(',');
  if (mpirun.family === 'MPICH') {
    return [...(list === undefined ? [] : ['-hosts', list]), '-n', String(ranks)];
  }
  const most = hosts === null ? ranks : Math.max(...hosts.map(({ slots }) => slots));
  // A rank reads data beside its work, so it is not bound to one core; ranks that share cores
  // must give them away.
  const yields = most > os.cpus().length ? ['--mca', 'mpi_yield_when_idle', '1'] : [];
  const own = Object.keys(environment).filter((name) => name.startsWith('PHANTOM_'));
  return [
    ...(list === undefined ? ['--oversubscribe'] : ['--host', list]),
    '--bind-to',
    'none',
    ...yields,
    // Processes on other machines get none of this environment by themselves.
    ...(list === undefined ? [] : own.flatMap((name) => ['-x', name])),
    '-n',
    String(ranks),
  ];
}
