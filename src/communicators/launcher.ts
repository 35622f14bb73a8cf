/** Binary interface of an MPI library. */
type MpiFamily = 'Open MPI' | 'MPICH';

/** The program that started this process as one of several. */
export interface Launcher {
  /** For people. */
  readonly name: string;
  readonly command: 'mpirun' | 'srun';
  /** Library that the launcher usually goes with. */
  readonly family: MpiFamily;
  readonly rank: number;
  readonly size: number;
  /** Ranks on this machine; null: not known. */
  readonly localSize: number | null;
  /** Place among the ranks on this machine; null: not known. */
  readonly localRank: number | null;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The MPI launcher of this process, by what it left in the environment; null: none. A single task
 * of `srun` counts as none, so that it can use worker threads.
 */
export function findLauncher(environment: Environment = process.env): Launcher | null {
  const read = (name: string): number | null => {
    const text = environment[name];
    return text !== undefined && /^\d+$/.test(text) ? Number(text) : null;
  };
  // A batch script has SLURM_PROCID too, but no step.
  const slurm = read('SLURM_STEP_ID') !== null && read('SLURM_PROCID') !== null;
  const places: readonly ['mpirun', MpiFamily, string, string, string, string][] = [
    [
      'mpirun',
      'Open MPI',
      'OMPI_COMM_WORLD_RANK',
      'OMPI_COMM_WORLD_SIZE',
      'OMPI_COMM_WORLD_LOCAL_SIZE',
      'OMPI_COMM_WORLD_LOCAL_RANK',
    ],
    ['mpirun', 'MPICH', 'PMI_RANK', 'PMI_SIZE', 'MPI_LOCALNRANKS', 'MPI_LOCALRANKID'],
  ];
  for (const [name, family, rankName, sizeName, localName, localRankName] of places) {
    const rank = read(rankName);
    const size = read(sizeName);
    if (rank === null || size === null) continue;
    if (slurm && size === 1) return null;
    return {
      ...named(slurm ? 'srun' : name, family),
      family,
      rank,
      size,
      localSize: read(localName),
      localRank: read(localRankName) ?? read('SLURM_LOCALID'),
    };
  }
  const rank = read('SLURM_PROCID');
  const size = read('SLURM_STEP_NUM_TASKS') ?? read('SLURM_NTASKS');
  if (!slurm || rank === null || size === null || size === 1) return null;
  const family = 'Open MPI';
  const localRank = read('SLURM_LOCALID');
  return { ...named('srun', family), family, rank, size, localSize: null, localRank };
}

function named(
  command: Launcher['command'],
  family: MpiFamily,
): Pick<Launcher, 'name' | 'command'> {
  return { name: command === 'srun' ? command : `${command} of ${family}`, command };
}
