import { NativeError } from '../errors.js';
import { openLibrary } from './library.js';
import type { NativeLibrary } from './library.js';

/** cblas_sgemm; a, b and c are addresses. */
export type Sgemm = (
  order: number,
  transposeA: number,
  transposeB: number,
  m: number,
  n: number,
  k: number,
  alpha: number,
  a: number,
  strideA: number,
  b: number,
  strideB: number,
  beta: number,
  c: number,
  strideC: number,
) => void;

/** cblas_sgemv; a, x and y are addresses. */
export type Sgemv = (
  order: number,
  transposeA: number,
  rows: number,
  columns: number,
  alpha: number,
  a: number,
  strideA: number,
  x: number,
  strideX: number,
  beta: number,
  y: number,
  strideY: number,
) => void;

/** The C interface's names for the layout and for transposition. */
export const CBLAS_ROW_MAJOR = 101;
export const CBLAS_NO_TRANSPOSE = 111;
export const CBLAS_TRANSPOSE = 112;

export interface Blas {
  readonly path: string;
  /** One line for people: the library's own name and version where it tells. */
  readonly description: string;
  readonly sgemm: Sgemm;
  readonly sgemv: Sgemv;
}

export interface BlasCandidate {
  readonly path: string;
  readonly usable: boolean;
  /** What it is or, if it cannot be used, why not. */
  readonly detail: string;
}

export interface BlasProbe {
  /** In the order of preference; the first usable one is what an engine takes. */
  readonly candidates: readonly BlasCandidate[];
  /** The command that installs a library on this system. */
  readonly remedy: string;
}

/** Layout, two transpositions, m, n, k; then scalars, addresses and strides. */
const SGEMM_PARAMETERS =
  'int int int int int int float size_t int size_t int float size_t int'.split(' ');

/** Layout, transposition, rows, columns; then scalars, addresses and strides. */
const SGEMV_PARAMETERS = 'int int int int float size_t int size_t int float size_t int'.split(' ');

/** Names that the loader is asked for, the fastest libraries first. */
const CANDIDATES: Readonly<Record<string, readonly string[]>> = {
  linux: [
    'libopenblas.so.0',
    'libopenblas.so',
    'libopenblasp.so.0',
    'libmkl_rt.so.2',
    'libmkl_rt.so',
    'libblis-mt.so',
    'libblis.so.4',
    'libblis.so',
    'libflexiblas.so.3',
    'libcblas.so.3',
    'libblas.so.3',
  ],
  darwin: [
    '/System/Library/Frameworks/Accelerate.framework/Accelerate',
    '/opt/homebrew/opt/openblas/lib/libopenblas.dylib',
    '/usr/local/opt/openblas/lib/libopenblas.dylib',
  ],
  win32: ['libopenblas.dll', 'openblas.dll', 'mkl_rt.2.dll', 'AOCL-LibBlis-Win-dll.dll'],
};

const REMEDIES: Readonly<Record<string, string>> = {
  linux:
    'apt-get install libopenblas0-pthread (Debian, Ubuntu), dnf install openblas (Fedora), ' +
    'or PHANTOM_BLAS=/path/to/library.so',
  darwin: 'brew install openblas, or PHANTOM_BLAS=/path/to/library.dylib',
  win32: 'put libopenblas.dll on the PATH, or set PHANTOM_BLAS to a library',
};

/**
 * The first usable CBLAS library, set to one thread: that of `library`, else of the environment
 * variable PHANTOM_BLAS, else of the names usual on this system.
 *
 * @throws NativeError when there is none, with the reason of each candidate
 */
export async function openBlas(library?: string): Promise<Blas> {
  const paths = candidatePaths(library);
  const reasons: string[] = [];
  for (const path of paths) {
    try {
      return await openCandidate(path);
    } catch (error) {
      if (!(error instanceof NativeError)) throw error;
      reasons.push(shortReason(path, error));
    }
  }
  const shown = [...new Set(reasons)].join('; ');
  throw new NativeError('blas', `no CBLAS library can be used: ${shown}. Remedy: ${remedy()}`);
}

/** Tries every candidate and tells what became of it. */
export async function probeBlas(library?: string): Promise<BlasProbe> {
  const candidates: BlasCandidate[] = [];
  for (const path of candidatePaths(library)) {
    try {
      const { description } = await openCandidate(path);
      candidates.push({ path, usable: true, detail: description });
    } catch (error) {
      if (!(error instanceof NativeError)) throw error;
      candidates.push({ path, usable: false, detail: shortReason(path, error) });
    }
  }
  return { candidates, remedy: remedy() };
}

function candidatePaths(library: string | undefined): readonly string[] {
  const named = library ?? process.env['PHANTOM_BLAS'];
  if (named !== undefined && named !== '') return [named];
  return CANDIDATES[process.platform] ?? CANDIDATES['linux'] ?? [];
}

function remedy(): string {
  return REMEDIES[process.platform] ?? 'set PHANTOM_BLAS to a library';
}

/** The reason without the tag of whoever found it, named by the candidate exactly once. */
function shortReason(path: string, error: NativeError): string {
  const text = error.message.replace(/^\[[^\]]*\] /, '');
  return text.includes(path) || text.includes('koffi') ? text : `${path}: ${text}`;
}

async function openCandidate(path: string): Promise<Blas> {
  const library = await openLibrary(path);
  const sgemm = library.find('cblas_sgemm', 'void', SGEMM_PARAMETERS) as Sgemm | undefined;
  if (sgemm === undefined) throw new NativeError('blas', `${path} has no cblas_sgemm`);
  const sgemv = library.find('cblas_sgemv', 'void', SGEMV_PARAMETERS) as Sgemv | undefined;
  if (sgemv === undefined) throw new NativeError('blas', `${path} has no cblas_sgemv`);
  const description = describe(library);
  if (/USE64BITINT|_ilp64/i.test(description)) {
    throw new NativeError('blas', `${path} takes 64-bit sizes; a 32-bit (LP64) build is needed`);
  }
  useOneThread(library);
  return { path, description, sgemm, sgemv };
}

/** One thread a rank: ranks are the parallelism, and sums must not depend on a thread count. */
function useOneThread(library: NativeLibrary): void {
  // Before the count, so that MKL does not look for an OpenMP library: 1 is "sequential".
  library.find('MKL_Set_Threading_Layer', 'int', ['int'])?.(1);
  for (const name of ['openblas_set_num_threads', 'MKL_Set_Num_Threads']) {
    library.find(name, 'void', ['int'])?.(1);
  }
  library.find('bli_thread_set_num_threads', 'void', ['int64_t'])?.(1);
  library.find('flexiblas_set_num_threads', 'void', ['int'])?.(1);
  // Accelerate, from macOS 15 on; 1 is "single threaded".
  library.find('BLASSetThreading', 'int', ['int'])?.(1);
}

function describe(library: NativeLibrary): string {
  // "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH NO_AFFINITY Cooperlake MAX_THREADS=128"
  const openblas = library.find('openblas_get_config', 'str', [])?.();
  if (typeof openblas === 'string') return openblas.trim();
  const blis = library.find('bli_info_get_version_str', 'str', [])?.();
  if (typeof blis === 'string') return `BLIS ${blis}`;
  if (library.find('MKL_Set_Num_Threads', 'void', ['int']) !== undefined) return 'Intel MKL';
  if (library.path.includes('Accelerate')) return 'Apple Accelerate';
  return `CBLAS ${library.path}`;
}
