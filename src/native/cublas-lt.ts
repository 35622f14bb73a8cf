import { type CudaCall, inToolkit } from './cuda.js';
import { needed, openFirst } from './nvml.js';

/** The part of cuBLASLt that multiplies matrices. Codes, views and handles as of the driver. */
export interface CublasLt {
  readonly path: string;
  /** 10,000 · major + 100 · minor + patch */
  readonly version: number;
  /** (BigUint64Array: handle) */
  readonly create: CudaCall;
  /** (handle) */
  readonly destroy: CudaCall;
  /** (BigUint64Array: description, compute type, type of the scalars) */
  readonly describe: CudaCall;
  /** (description) */
  readonly destroyDescription: CudaCall;
  /** (description, attribute, view, bytes) */
  readonly setDescription: CudaCall;
  /** (BigUint64Array: layout, type, rows, columns, leading dimension) */
  readonly layout: CudaCall;
  /** (layout) */
  readonly destroyLayout: CudaCall;
  /** (BigUint64Array: preference) */
  readonly prefer: CudaCall;
  /** (preference) */
  readonly destroyPreference: CudaCall;
  /** (preference, attribute, view, bytes) */
  readonly setPreference: CudaCall;
  /** (handle, description, layouts of A, B, C and D, preference, most, view of results, Int32Array: count) */
  readonly algorithms: CudaCall;
  /** (view of an algorithm, attribute, view, bytes, BigUint64Array: bytes that were written) */
  readonly algorithmAttribute: CudaCall;
  /** (handle, description, address of alpha, A, its layout, B, its layout, address of beta, C, its layout, D,
   * its layout, address of the algorithm, workspace, its bytes, stream); alpha, beta and the algorithm are
   * in host memory */
  readonly multiply: CudaCall;
}

const CUBLASLT_REMEDY =
  "install CUDA's cuBLAS (libcublas-13-0, or pip install nvidia-cublas), or set PHANTOM_CUBLASLT to libcublasLt.so";

/** As `openCudaDriver`, of cuBLASLt and PHANTOM_CUBLASLT. */
export async function openCublasLt(
  driverMajor: number,
  named = process.env['PHANTOM_CUBLASLT'],
): Promise<CublasLt> {
  const names = named === undefined ? inToolkit('libcublasLt.so', driverMajor) : [named];
  const library = await openFirst('cublaslt', names, CUBLASLT_REMEDY);
  const call = (name: string, types: string) => needed(library, name, types.split(' '));
  const version = library.find('cublasLtGetVersion', 'size_t', []);
  return {
    path: library.path,
    version: Number(version?.() ?? 0),
    create: call('cublasLtCreate', 'void*'),
    destroy: call('cublasLtDestroy', 'size_t'),
    describe: call('cublasLtMatmulDescCreate', 'void* int int'),
    destroyDescription: call('cublasLtMatmulDescDestroy', 'size_t'),
    setDescription: call('cublasLtMatmulDescSetAttribute', 'size_t int void* size_t'),
    layout: call('cublasLtMatrixLayoutCreate', 'void* int uint64_t uint64_t int64_t'),
    destroyLayout: call('cublasLtMatrixLayoutDestroy', 'size_t'),
    prefer: call('cublasLtMatmulPreferenceCreate', 'void*'),
    destroyPreference: call('cublasLtMatmulPreferenceDestroy', 'size_t'),
    setPreference: call('cublasLtMatmulPreferenceSetAttribute', 'size_t int void* size_t'),
    algorithms: call(
      'cublasLtMatmulAlgoGetHeuristic',
      'size_t size_t size_t size_t size_t size_t size_t int void* void*',
    ),
    algorithmAttribute: call('cublasLtMatmulAlgoCapGetAttribute', 'void* int void* size_t void*'),
    multiply: call(
      'cublasLtMatmul',
      'size_t size_t size_t size_t size_t size_t size_t size_t size_t size_t size_t size_t size_t size_t size_t size_t',
    ),
  };
}
