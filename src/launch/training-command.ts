import os from 'node:os';
import { ConfigError } from '../base/errors.js';
import { type Host, parseHosts, slotsOf } from './hosts.js';
import type { JobCommand } from './job.js';
import { findMpirun, identifyMpirun, type Mpirun, mpirunArguments } from './mpirun.js';

/** How a job's ranks are to be run. */
export interface Placement {
  /** null: worker threads of one process. */
  readonly mpirun: Mpirun | null;
  /** null: this machine. */
  readonly hosts: readonly Host[] | null;
  /** Asked for; null: as the settings say. */
  readonly ranks: number | null;
}

export interface PlacementRequest {
  readonly transport: 'auto' | 'mpi' | 'threads';
  readonly ranks: number | null;
  readonly hosts: string | null;
  /** Name or path of a launcher; null: the first on the PATH. */
  readonly mpirun: string | null;
}

/**
 * Chooses between MPI and threads: MPI where hosts are named or a launcher is there.
 *
 * @throws ConfigError when what is asked for is not there or does not fit together
 */
export function choosePlacement(request: PlacementRequest): Placement {
  const { transport, ranks } = request;
  const hosts = request.hosts === null ? null : parseHosts(request.hosts, ranks);
  const asked = ranks ?? (hosts && slotsOf(hosts));
  if (transport === 'threads') {
    if (hosts === null) return { mpirun: null, hosts, ranks: asked };
    throw new ConfigError('launch', '--hosts with --transport threads; threads run on one machine');
  }
  const mpirun = launcherOf(request.mpirun);
  if (mpirun === null && (transport === 'mpi' || hosts !== null)) {
    throw new ConfigError(
      'launch',
      'no MPI launcher on the PATH; apt-get install openmpi-bin or mpich (Debian, Ubuntu), brew ' +
        'install open-mpi, a module of your cluster, or --mpirun /path/to/mpirun',
    );
  }
  return { mpirun, hosts, ranks: asked };
}

function launcherOf(program: string | null): Mpirun | null {
  if (program === null) {
    const hidden = process.env['PHANTOM_MPI'] === 'none';
    return hidden ? null : (findMpirun('Open MPI') ?? findMpirun('MPICH'));
  }
  const found = identifyMpirun(program);
  if (found !== null) return found;
  throw new ConfigError('launch', `--mpirun ${program}: not a launcher of Open MPI or MPICH`);
}

/**
 * The whole command line of a job.
 *
 * @param training what a rank runs: a program and its arguments
 * @throws ConfigError when the launcher will refuse
 */
export function jobCommand(
  { mpirun, hosts }: Placement,
  processes: number,
  training: readonly [string, ...string[]],
): JobCommand {
  const [program, ...others] = training;
  if (mpirun === null) {
    return { program, arguments: others, description: 'the process', endSignal: 'SIGKILL' };
  }
  const own = mpirunArguments(mpirun, processes, hosts);
  return {
    program: mpirun.program,
    arguments: [...own, ...training],
    description: `${mpirun.program} of ${mpirun.family}`,
    endSignal: 'SIGTERM',
  };
}

/** `4 processes, mpirun of Open MPI, on a, b`, for people. */
export function describePlacement({ mpirun, hosts }: Placement, processes: number): string {
  if (mpirun === null) {
    const many = processes === 1 ? '1 worker thread' : `${processes} worker threads`;
    return `${many} of one process on ${os.hostname()}`;
  }
  const where = hosts === null ? os.hostname() : hosts.map(({ name }) => name).join(', ');
  const many = processes === 1 ? '1 process' : `${processes} processes`;
  return `${many} under ${mpirun.program} of ${mpirun.family} on ${where}`;
}
