/** Binary interface of an MPI library. */
export type MpiFamily = 'Open MPI' | 'MPICH';

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
  /** Whether MPI libraries can find the other ranks through it. */
  readonly servesMpi: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** From here on, numbers of Slurm steps mean batch scripts and shells, not steps of `srun`. */
const SLURM_SPECIAL_STEPS = 0xffff_fff0;

/**
 * The MPI launcher of this process, by what it left in the environment; null: none. A single task
 * of `srun` counts as none, so that it can use worker threads.
 */
export function findLauncher(environment: Environment = process.env): Launcher | null {
  const read = (name: string) => readNumber(environment, name);
  const slurm = isSlurmStep(environment);
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
      servesMpi: true,
    };
  }
  const rank = read('SLURM_PROCID');
  const size = read('SLURM_STEP_NUM_TASKS') ?? read('SLURM_NTASKS');
  if (!slurm || rank === null || size === null || size === 1) return null;
  const family = 'Open MPI';
  const localRank = read('SLURM_LOCALID');
  const servesMpi = Object.keys(environment).some((variable) => /^PMIX?_/.test(variable));
  return { ...named('srun', family), family, rank, size, localSize: null, localRank, servesMpi };
}

/**
 * Tasks of the Slurm allocation that this process is in without being one of them, as in a batch
 * script or a shell of `salloc`; 0: none, or one, for which `srun` is not needed.
 */
export function unstartedTasks(environment: Environment = process.env): number {
  const tasks = readNumber(environment, 'SLURM_NTASKS') ?? 0;
  const inJob = readNumber(environment, 'SLURM_JOB_ID') !== null;
  return inJob && tasks > 1 && !isSlurmStep(environment) ? tasks : 0;
}

/** Whether `srun` has started the process; batch scripts have some of its variables. */
function isSlurmStep(environment: Environment): boolean {
  const step = readNumber(environment, 'SLURM_STEP_ID') ?? SLURM_SPECIAL_STEPS;
  return step < SLURM_SPECIAL_STEPS && readNumber(environment, 'SLURM_PROCID') !== null;
}

function readNumber(environment: Environment, name: string): number | null {
  const text = environment[name];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : null;
}

function named(
  command: Launcher['command'],
  family: MpiFamily,
): Pick<Launcher, 'name' | 'command'> {
  return { name: command === 'srun' ? command : `${command} of ${family}`, command };
}
