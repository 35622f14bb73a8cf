import { NativeError } from '../base/errors.js';
import { probeBlas } from './blas.js';
import { openLibrary } from './library.js';

/**
 * LAPACK's dgesdd, by the Fortran interface: everything is an address, matrices are column-major,
 * and the length of `job` comes last.
 */
export type Dgesdd = (
  job: string,
  m: Int32Array,
  n: Int32Array,
  a: Float64Array,
  strideA: Int32Array,
  values: Float64Array,
  u: Float64Array,
  strideU: Int32Array,
  vt: Float64Array,
  strideVt: Int32Array,
  work: Float64Array,
  workLength: Int32Array,
  integers: Int32Array,
  info: Int32Array,
  jobLength: number,
) => void;

export interface Lapack {
  /** The library that it was found in. */
  readonly description: string;
  readonly dgesdd: Dgesdd;
}

const DGESDD_PARAMETERS = ['str', ...Array.from({ length: 13 }, () => 'void *'), 'size_t'];

/**
 * LAPACK as BLAS libraries bring it (OpenBLAS, MKL and Accelerate do), on one thread.
 *
 * @throws NativeError when there is no BLAS library with LAPACK in it
 */
export async function openLapack(): Promise<Lapack> {
  const { candidates, remedy } = await probeBlas();
  for (const { path, usable, detail } of candidates) {
    if (!usable) continue;
    const library = await openLibrary(path);
    const dgesdd = library.find('dgesdd_', 'void', DGESDD_PARAMETERS) as Dgesdd | undefined;
    if (dgesdd !== undefined) return { description: detail, dgesdd };
  }
  throw new NativeError('lapack', `no BLAS library has dgesdd in it. Remedy: ${remedy}`);
}
