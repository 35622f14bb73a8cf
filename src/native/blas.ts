import { isMainThread } from 'node:worker_threads';
import { NativeError } from '../base/errors.js';
import { candidatePaths, partnerPaths, remedy } from './blas-candidates.js';
import { addressOf, openLibrary, signalHold } from './library.js';
import type { NativeFunction, NativeLibrary } from './library.js';

/** C = α·op(A)·op(B) + β·C of row-major matrices, C m × n; a, b and c are addresses. */
type Gemm = (
  transposeA: boolean,
  transposeB: boolean,
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

/** y = α·op(A)·x + β·y; rows and columns are those of A; a, x and y are addresses. */
type Gemv = (
  transposeA: boolean,
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

export interface Blas {
  readonly path: string;
  /** One line for people: the library's own name and version where it tells. */
  readonly description: string;
  readonly gemm: Gemm;
  /** Null: `gemm` is as fast on one column. */
  readonly gemv: Gemv | null;
  /** Products of bfloat16 matrices, summed in float32; null: it has none that work here. */
  readonly half: HalfGemm | null;
}

interface HalfGemm {
  readonly gemm: Gemm;
  /** Whether the processor multiplies bfloat16 itself. */
  readonly native: boolean;
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

/** The C interface's names for the layout and for transposition. */
const CBLAS_ROW_MAJOR = 101;
const CBLAS_NO_TRANSPOSE = 111;
const CBLAS_TRANSPOSE = 112;

/** Layout, two transpositions, m, n, k; then scalars, addresses and strides. */
const CBLAS_SGEMM = 'int int int int int int float size_t int size_t int float size_t int'.split(
  ' ',
);
/** Layout, transposition, rows, columns; then scalars, addresses and strides. */
const CBLAS_SGEMV = 'int int int int float size_t int size_t int float size_t int'.split(' ');
/** Two transpositions, m, n, k; then scalars, addresses and strides. Row-major. */
const DNNL_SGEMM =
  'int8_t int8_t int64_t int64_t int64_t float size_t int64_t size_t int64_t float size_t int64_t'.split(
    ' ',
  );
const [LETTER_N, LETTER_T] = [78, 84];
/** Of oneDNN's instruction sets: multiplies bfloat16. AMX and all later ones have it too. */
const DNNL_ISA_BFLOAT16 = 0x80;

/** oneDNN's names for what runs its threads. */
const DNNL_RUNTIMES: Readonly<Record<number, string>> = { 4: 'TBB', 8: 'a pool of its caller' };

/**
 * The first usable BLAS library (CBLAS or oneDNN), set to one thread: that of `library`, else of the environment
 * variable PHANTOM_BLAS, else of the names usual on this system.
 *
 * @throws NativeError when there is none, with the reason of each candidate
 */
export async function openBlas(library?: string): Promise<Blas> {
  const reasons: string[] = [];
  const blas = await firstUsable(candidatePaths(library), reasons);
  if (blas !== null) {
    // oneDNN is the one without a product of a matrix and a vector.
    const partner = blas.gemv === null ? await firstUsable(partnerPaths(library), []) : null;
    return partner === null ? blas : besideOneDnn(blas, partner);
  }
  const shown = [...new Set(reasons)].join('; ');
  throw new NativeError('blas', `no BLAS library can be used: ${shown}. Remedy: ${remedy()}`);
}

/** Null: none; `reasons` gets why. */
async function firstUsable(paths: readonly string[], reasons: string[]): Promise<Blas | null> {
  for (const path of paths) {
    try {
      return await openCandidate(path);
    } catch (error) {
      if (!(error instanceof NativeError)) throw error;
      reasons.push(shortReason(path, error));
    }
  }
  return null;
}

/** With AVX2 oneDNN multiplies at half to two thirds of its rate where a product has at most so many rows and at
 * least so many columns, and rows of the second operand are a multiple of 512 numbers apart; at 0.9 of it for
 * multiples of 256. */
const SLOW = { rows: 512, columns: 512, stride: 256 };

/** Products of a transposed first operand, and those that are slow by oneDNN, by the other library. It has
 * products of a vector of their own; oneDNN knows by the sizes that the second operand is one. */
export function besideOneDnn(oneDnn: Blas, other: Blas): Blas {
  return {
    ...oneDnn,
    description: `${oneDnn.description} and ${other.description}`,
    gemm(transposeA, transposeB, m, n, k, alpha, a, strideA, b, strideB, beta, c, strideC) {
      const isSlow =
        !transposeB && m <= SLOW.rows && n >= SLOW.columns && strideB % SLOW.stride === 0;
      const { gemm } = transposeA || isSlow ? other : oneDnn;
      gemm(transposeA, transposeB, m, n, k, alpha, a, strideA, b, strideB, beta, c, strideC);
    },
    gemv(transposeA, rows, columns, alpha, a, strideA, x, strideX, beta, y, strideY) {
      if (transposeA && other.gemv !== null) {
        other.gemv(true, rows, columns, alpha, a, strideA, x, strideX, beta, y, strideY);
      } else {
        const { gemm } = transposeA ? other : oneDnn;
        const [m, k] = transposeA ? [columns, rows] : [rows, columns];
        gemm(transposeA, false, m, 1, k, alpha, a, strideA, x, strideX, beta, y, strideY);
      }
    },
  };
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

/** The reason without the tag of whoever found it, named by the candidate exactly once. */
function shortReason(path: string, error: NativeError): string {
  const text = error.message.replace(/^\[[^\]]*\] /, '');
  return text.includes(path) || text.includes('koffi') ? text : `${path}: ${text}`;
}

async function openCandidate(path: string): Promise<Blas> {
  const library = await openLibrary(path);
  const products = (await dnnlProducts(library)) ?? cblasProducts(library);
  if (/USE64BITINT|_ilp64/i.test(products.description)) {
    throw new NativeError('blas', `${path} takes 64-bit sizes; a 32-bit (LP64) build is needed`);
  }
  useOneThread(library);
  return { path, ...products };
}

type Products = Omit<Blas, 'path'>;

function cblasProducts(library: NativeLibrary): Products {
  const sgemm = library.find('cblas_sgemm', 'void', CBLAS_SGEMM);
  if (sgemm === undefined) throw new NativeError('blas', `${library.path} has no cblas_sgemm`);
  const sgemv = library.find('cblas_sgemv', 'void', CBLAS_SGEMV);
  if (sgemv === undefined) throw new NativeError('blas', `${library.path} has no cblas_sgemv`);
  const letter = (transpose: boolean) => (transpose ? CBLAS_TRANSPOSE : CBLAS_NO_TRANSPOSE);
  return {
    description: describeCblas(library),
    gemm(transposeA, transposeB, m, n, k, alpha, a, strideA, b, strideB, beta, c, strideC) {
      const [A, B] = [letter(transposeA), letter(transposeB)];
      sgemm(CBLAS_ROW_MAJOR, A, B, m, n, k, alpha, a, strideA, b, strideB, beta, c, strideC);
    },
    gemv(transposeA, rows, columns, alpha, a, strideA, x, strideX, beta, y, strideY) {
      const A = letter(transposeA);
      sgemv(CBLAS_ROW_MAJOR, A, rows, columns, alpha, a, strideA, x, strideX, beta, y, strideY);
    },
    half: null,
  };
}

/** oneDNN's, which compiles its kernels for the processor that it finds. Null: another library. */
async function dnnlProducts(library: NativeLibrary): Promise<Products | null> {
  const sgemm = library.find('dnnl_sgemm', 'int', DNNL_SGEMM);
  if (sgemm === undefined) return null;
  const { version, runtime } = dnnlVersion(library);
  const threads = DNNL_RUNTIMES[runtime];
  if (threads !== undefined) {
    const what = `${library.path} takes its threads from ${threads}, not one for each rank`;
    throw new NativeError('blas', what);
  }
  const gemm = dnnlGemm('dnnl_sgemm', await undisturbed(sgemm));
  return { description: `oneDNN ${version}`, gemm, gemv: null, half: await dnnlHalf(library) };
}

/**
 * A product of oneDNN's that no signal's handler disturbs. Its kernels have the stack pointer in the middle
 * of memory from the heap, and a handler that runs meanwhile writes over what is below: that of a profiler,
 * or of SIGTERM (oneDNN's issue 4845). A rank's thread gets no signals from here on, which leaves them to
 * the main thread; on that one they wait while a product runs.
 */
async function undisturbed(call: NativeFunction): Promise<NativeFunction> {
  const signals = await signalHold();
  if (signals === null) return call;
  if (!isMainThread) {
    signals.hold();
    return call;
  }
  return (...parameters) => {
    signals.hold();
    try {
      return call(...parameters);
    } finally {
      signals.release();
    }
  };
}

function dnnlGemm(name: string, call: NativeFunction): Gemm {
  const letter = (transpose: boolean) => (transpose ? LETTER_T : LETTER_N);
  return (transposeA, transposeB, m, n, k, alpha, a, strideA, b, strideB, beta, c, strideC) => {
    const [A, B] = [letter(transposeA), letter(transposeB)];
    const status = call(A, B, m, n, k, alpha, a, strideA, b, strideB, beta, c, strideC);
    if (status !== 0) throw new NativeError('blas', `${name} ended with ${String(status)}`);
  };
}

/** oneDNN exports this product without documenting it, and refuses it where the processor lacks
 * AVX-512: what it says to 1.5 · 2 decides. */
async function dnnlHalf(library: NativeLibrary): Promise<HalfGemm | null> {
  const name = 'dnnl_gemm_bf16bf16f32';
  const call = library.find(name, 'int', DNNL_SGEMM);
  if (call === undefined) return null;
  const gemm = dnnlGemm(name, await undisturbed(call));
  // 1.5 and 2 in bfloat16; the sum from byte 4 on.
  const buffer = new SharedArrayBuffer(8);
  new Uint16Array(buffer).set([0x3fc0, 0x4000]);
  const at = await addressOf(buffer);
  try {
    gemm(false, false, 1, 1, 1, 1, at, 1, at + 2, 1, 0, at + 4, 1);
  } catch (error) {
    if (error instanceof NativeError) return null;
    throw error;
  }
  if (new Float32Array(buffer)[1] !== 3) return null;
  const isa = Number(library.find('dnnl_get_effective_cpu_isa', 'int', [])?.() ?? 0);
  return { gemm, native: (isa & DNNL_ISA_BFLOAT16) !== 0 };
}

function dnnlVersion(library: NativeLibrary): { version: string; runtime: number } {
  // { int major, minor, patch; const char *hash; unsigned cpu_runtime, gpu_runtime; }
  const numbers = library.integers(library.find('dnnl_version', 'void *', [])?.(), 7);
  return { version: numbers.slice(0, 3).join('.'), runtime: numbers[6] ?? 0 };
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
  // OpenMP's, of the calling thread; a library's own are looked up in what it was linked with too.
  library.find('omp_set_num_threads', 'void', ['int'])?.(1);
  // Accelerate, from macOS 15 on; 1 is "single threaded".
  library.find('BLASSetThreading', 'int', ['int'])?.(1);
}

function describeCblas(library: NativeLibrary): string {
  // "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH NO_AFFINITY Cooperlake MAX_THREADS=128"
  const openblas = library.find('openblas_get_config', 'str', [])?.();
  if (typeof openblas === 'string') {
    const words = openblas.trim().split(/\s+/);
    // Without how it was built; the name of the core stays.
    return words.filter((word) => !/^[A-Z][A-Z_]+(=|$)/.test(word)).join(' ');
  }
  const blis = library.find('bli_info_get_version_str', 'str', [])?.();
  if (typeof blis === 'string') return `BLIS ${blis}`;
  if (library.find('MKL_Set_Num_Threads', 'void', ['int']) !== undefined) return 'Intel MKL';
  if (library.path.includes('Accelerate')) return 'Apple Accelerate';
  return `CBLAS ${library.path}`;
}
