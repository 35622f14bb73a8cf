import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { NativeError } from '../base/errors.js';
import { type NativeFunction, type NativeLibrary, openLibrary } from './library.js';

/** An address, a count, or a handle: a number in all cases. MPI returns 0 for success. */
type Call = (...parameters: number[]) => number;

/** The C interface of an MPI library. Buffers, requests and counts are addresses; handles are
 * what the library takes for them. */
export interface Mpi {
  readonly path: string;
  readonly family: MpiFamily;
  /** One line for people. */
  readonly description: string;
  readonly constants: MpiConstants;
  /** (argc, argv, required, &provided) */
  readonly initThread: Call;
  readonly initialized: Call;
  readonly finalize: Call;
  /** (comm, code) */
  readonly abort: Call;
  readonly commSize: Call;
  readonly commRank: Call;
  /** (comm, &copy) */
  readonly commDup: Call;
  /** (comm, color, key, &part) */
  readonly commSplit: Call;
  /** (comm, handler) */
  readonly commSetErrhandler: Call;
  /** (send, count, type, receive, count, type, comm, &request) */
  readonly iallgather: Call;
  /** (send, count, type, receive, counts, offsets, type, comm, &request) */
  readonly iallgatherv: Call;
  /** (send, count, type, receive, count, type, comm, &request) */
  readonly ialltoall: Call;
  /** (send, counts, offsets, type, receive, counts, offsets, type, comm, &request) */
  readonly ialltoallv: Call;
  /** (buffer, count, type, root, comm, &request) */
  readonly ibcast: Call;
  /** (buffer, count, type, target, tag, comm, &request) */
  readonly isend: Call;
  /** (buffer, count, type, source, tag, comm, &request) */
  readonly irecv: Call;
  /** (&request, &flag, &status) */
  readonly test: Call;
  /** (code, text, &length) */
  readonly errorString: Call;
}

/** Which binary interface a library has: Intel MPI, MVAPICH and Cray's have MPICH's. */
export type MpiFamily = 'Open MPI' | 'MPICH';

export interface MpiConstants {
  readonly world: number;
  readonly byte: number;
  readonly float32: number;
  readonly float64: number;
  readonly errorsReturn: number;
  readonly inPlace: number;
  readonly statusIgnore: number;
  readonly anySource: number;
  /** Bytes of a handle, in memory. */
  readonly handleBytes: number;
}

/** What `initThread` takes and gives: indices of this. */
export const MPI_THREAD_LEVELS = [
  'MPI_THREAD_SINGLE',
  'MPI_THREAD_FUNNELED',
  'MPI_THREAD_SERIALIZED',
  'MPI_THREAD_MULTIPLE',
] as const;
/** All calls come from the thread that started MPI. */
export const MPI_THREAD_FUNNELED = MPI_THREAD_LEVELS.indexOf('MPI_THREAD_FUNNELED');
export const MPI_MAX_ERROR_STRING = 1024;
const MPI_MAX_LIBRARY_VERSION_STRING = 8192;

/** Handles of MPICH's binary interface are these numbers. */
const MPICH_CONSTANTS: MpiConstants = {
  world: 0x44000000,
  byte: 0x4c00010d,
  float32: 0x4c00040a,
  float64: 0x4c00080b,
  errorsReturn: 0x54000001,
  inPlace: -1,
  statusIgnore: 1,
  anySource: -2,
  handleBytes: 4,
};

/** Open MPI's handles are addresses of these variables. */
const OPEN_MPI_VARIABLES = {
  world: 'ompi_mpi_comm_world',
  byte: 'ompi_mpi_byte',
  float32: 'ompi_mpi_float',
  float64: 'ompi_mpi_double',
  errorsReturn: 'ompi_mpi_errors_return',
} as const;

/** `h`: a handle; `p`: an address; `i`: an integer. */
const SIGNATURES = {
  initThread: ['MPI_Init_thread', 'ppip'],
  initialized: ['MPI_Initialized', 'p'],
  finalize: ['MPI_Finalize', ''],
  abort: ['MPI_Abort', 'hi'],
  commSize: ['MPI_Comm_size', 'hp'],
  commRank: ['MPI_Comm_rank', 'hp'],
  commDup: ['MPI_Comm_dup', 'hp'],
  commSplit: ['MPI_Comm_split', 'hiip'],
  commSetErrhandler: ['MPI_Comm_set_errhandler', 'hh'],
  iallgather: ['MPI_Iallgather', 'pihpihhp'],
  iallgatherv: ['MPI_Iallgatherv', 'pihppphhp'],
  ialltoall: ['MPI_Ialltoall', 'pihpihhp'],
  ialltoallv: ['MPI_Ialltoallv', 'ppphppphhp'],
  ibcast: ['MPI_Ibcast', 'pihihp'],
  isend: ['MPI_Isend', 'pihiihp'],
  irecv: ['MPI_Irecv', 'pihiihp'],
  test: ['MPI_Test', 'ppp'],
  errorString: ['MPI_Error_string', 'ipp'],
} as const;

const CANDIDATES: Readonly<Record<MpiFamily, readonly string[]>> = {
  'Open MPI': ['libmpi.so.40', 'libmpi.40.dylib', '/opt/homebrew/lib/libmpi.40.dylib'],
  // libmpi.so.12 is Intel MPI's, or that of MPICH itself outside Debian.
  MPICH: ['libmpich.so.12', 'libmpi.so.12', 'libmpi.12.dylib', '/opt/homebrew/lib/libmpi.12.dylib'],
};

export const MPI_REMEDY =
  'apt-get install openmpi-bin or mpich (Debian, Ubuntu), brew install open-mpi, a module of your ' +
  'cluster, or PHANTOM_MPI=/path/to/libmpi.so';

/** What UCX, which carries MPI's messages, is asked to leave alone, unless the user has set it. It
 * patches the C library's memory functions while threads of this process run them, which ends in
 * crashes and hangs, and takes the signals that V8 needs. */
const UCX_DEFAULTS = { UCX_MEM_EVENTS: 'no', UCX_ERROR_SIGNALS: '' };

/** Makes MPI libraries fit for a process with many threads. To be called in the main thread, before
 * one is opened: workers have an environment of their own that native code does not see. */
export function prepareForMpi(): void {
  for (const [name, value] of Object.entries(UCX_DEFAULTS)) process.env[name] ??= value;
}

/**
 * The first usable MPI library: that of `PHANTOM_MPI` ("none" hides every library), else of the
 * usual names. Opening one does not start MPI.
 *
 * @param preferred the family to look for first
 * @throws NativeError when there is none, with the reason of each candidate
 */
export async function openMpi(preferred: MpiFamily): Promise<Mpi> {
  const reasons: string[] = [];
  for (const path of candidatePaths(preferred)) {
    try {
      return await openCandidate(path);
    } catch (error) {
      if (!(error instanceof NativeError)) throw error;
      reasons.push(shortReason(path, error));
    }
  }
  throw new NativeError('mpi', `no MPI library can be used: ${reasons.join('; ')}. ${MPI_REMEDY}`);
}

/** Every MPI library that can be used here. */
export async function probeMpi(): Promise<Pick<Mpi, 'path' | 'family' | 'description'>[]> {
  const found: Pick<Mpi, 'path' | 'family' | 'description'>[] = [];
  for (const path of candidatePaths('Open MPI')) {
    try {
      const { family, description } = await openCandidate(path);
      found.push({ path, family, description });
    } catch (error) {
      if (!(error instanceof NativeError)) throw error;
    }
  }
  return found;
}

/** The thread level that a library provides when it starts alone; null: it does not start. */
export function probeThreadLevel(path: string): (typeof MPI_THREAD_LEVELS)[number] | null {
  // Under a launcher it would take this process's place in the job.
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(OMPI_|PMI|MPI_|HYDRA|SLURM)/.test(name),
  );
  const { stdout } = spawnSync(
    process.execPath,
    [fileURLToPath(new URL('mpi-level-process.js', import.meta.url))],
    {
      encoding: 'utf8',
      timeout: 10_000,
      env: { ...Object.fromEntries(inherited), PHANTOM_MPI: path },
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  return MPI_THREAD_LEVELS.find((level) => level === stdout) ?? null;
}

function candidatePaths(preferred: MpiFamily): readonly string[] {
  const named = process.env['PHANTOM_MPI'];
  if (named !== undefined && named !== '') return [named];
  const other = preferred === 'MPICH' ? 'Open MPI' : 'MPICH';
  const suffix = process.platform === 'darwin' ? 'dylib' : '.so';
  return [...CANDIDATES[preferred], ...CANDIDATES[other]].filter((path) => path.includes(suffix));
}

function shortReason(path: string, error: NativeError): string {
  const text = error.message.replace(/^\[[^\]]*\] /, '');
  return text.includes(path) || text.includes('koffi') ? text : `${path}: ${text}`;
}

async function openCandidate(path: string): Promise<Mpi> {
  if (path === 'none') throw new NativeError('mpi', 'PHANTOM_MPI is "none"');
  const library = await openLibrary(path);
  const version = versionOf(library);
  const family: MpiFamily = /Open MPI/i.test(version) ? 'Open MPI' : 'MPICH';
  const constants = family === 'MPICH' ? MPICH_CONSTANTS : openMpiConstants(library);
  const handle = constants.handleBytes === 8 ? 'size_t' : 'int';
  const types: Readonly<Record<string, string>> = { h: handle, p: 'intptr_t', i: 'int' };
  const calls = Object.entries(SIGNATURES).map(([key, [name, letters]]) => {
    const parameters = letters.split('').map((letter) => types[letter] ?? 'int');
    return [key, must(library, name, library.find(name, 'int', parameters))];
  });
  return {
    path,
    family,
    description: version,
    constants,
    ...(Object.fromEntries(calls) as Record<keyof typeof SIGNATURES, Call>),
  };
}

function must<T extends NativeFunction | number>(
  { path }: NativeLibrary,
  name: string,
  found: T | undefined,
): T {
  if (found === undefined) throw new NativeError('mpi', `${path} has no ${name}`);
  return found;
}

function openMpiConstants(library: NativeLibrary): MpiConstants {
  const variable = (name: string) => must(library, name, library.variable(name));
  return {
    world: variable(OPEN_MPI_VARIABLES.world),
    byte: variable(OPEN_MPI_VARIABLES.byte),
    float32: variable(OPEN_MPI_VARIABLES.float32),
    float64: variable(OPEN_MPI_VARIABLES.float64),
    errorsReturn: variable(OPEN_MPI_VARIABLES.errorsReturn),
    inPlace: 1,
    statusIgnore: 0,
    anySource: -1,
    handleBytes: 8,
  };
}

/** "Open MPI v4.1.4, package: …" → "Open MPI v4.1.4"; "MPICH Version:      4.0.2 …" → one line. */
function versionOf(library: NativeLibrary): string {
  const name = 'MPI_Get_library_version';
  const get = must(library, name, library.find(name, 'int', ['void *', 'void *']));
  const text = Buffer.alloc(MPI_MAX_LIBRARY_VERSION_STRING);
  get(text, Buffer.alloc(4));
  const [line = ''] = text.toString('utf8', 0, text.indexOf(0)).split(/[\n,]/);
  return line.replace(/\s*Version:\s*/, ' ').trim();
}
