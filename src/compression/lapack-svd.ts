import { NativeError, UnsupportedError } from '../base/errors.js';
import type { SingularTriplets, TruncatedSvd } from './truncated-svd.js';
import { type Lapack, openLapack } from '../native/lapack.js';

/** Full singular value decompositions in float64 by LAPACK's divide and conquer, cut afterwards.
 * @throws NativeError when no BLAS library with LAPACK can be used */
export async function createLapackSvd(): Promise<TruncatedSvd> {
  return new LapackSvd(await openLapack());
}

class LapackSvd implements TruncatedSvd {
  readonly name = 'lapack';
  readonly description: string;
  readonly #lapack: Lapack;

  constructor(lapack: Lapack) {
    this.description = `dgesdd of ${lapack.description}`;
    this.#lapack = lapack;
  }

  singularValues(a: Float64Array, rows: number, columns: number): Float64Array {
    return this.#call('N', a, rows, columns).values;
  }

  decompose(a: Float64Array, rows: number, columns: number, count: number): SingularTriplets {
    const { values, u, vt, rank } = this.#call('S', a, rows, columns);
    // Row-major A is column-major Aᵀ = V Σ Uᵀ: LAPACK's u is V, its vt is Uᵀ.
    const left = new Float64Array(rows * count);
    for (let i = 0; i < rows; i++) {
      left.set(vt.subarray(i * rank, i * rank + count), i * count);
    }
    return {
      values: values.slice(0, count),
      left,
      right: u.slice(0, count * columns),
    };
  }

  #call(job: 'N' | 'S', a: Float64Array, rows: number, columns: number) {
    const rank = Math.min(rows, columns);
    const int = (value: number) => Int32Array.of(value);
    const vectors = job === 'N' ? 0 : rank;
    const values = new Float64Array(rank);
    const u = new Float64Array(columns * vectors);
    const vt = new Float64Array(rows * vectors);
    const integers = new Int32Array(8 * rank);
    const info = int(0);
    const call = (work: Float64Array, workLength: number) => {
      this.#lapack.dgesdd(
        job,
        int(columns),
        int(rows),
        a,
        int(columns),
        values,
        u,
        int(columns),
        vt,
        int(Math.max(1, vectors)),
        work,
        int(workLength),
        integers,
        info,
        1,
      );
      if (info[0] === 0) return;
      throw new NativeError(
        'lapack',
        `dgesdd of a ${rows}×${columns} matrix ended with ${info[0]}`,
      );
    };
    const wanted = new Float64Array(1);
    call(wanted, -1);
    const length = Math.ceil(wanted[0] as number);
    if (Math.max(length, a.length) > 2 ** 31 - 1) {
      const what = `a ${rows}×${columns} matrix is too large for LAPACK's 32-bit sizes`;
      throw new UnsupportedError('lapack', `${what}; use more blocks`);
    }
    call(new Float64Array(length), length);
    return { values, u, vt, rank };
  }
}
