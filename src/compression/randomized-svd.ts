import { Matrix as Dense, SVD } from 'ml-matrix';
import type { HostEngine } from '../engines/host-engine.js';
import { Scratch } from '../engines/scratch.js';
import { randomStream } from '../tensor/random.js';
import { asMatrix, type HostTensor } from '../tensor/tensor.js';
import { transpose } from './float64.js';
import type { SingularTriplets, TruncatedSvd } from './truncated-svd.js';

/** Directions that the range finder takes beyond those asked for, at least. */
const OVERSAMPLING = 16;
/** Multiplications by A·Aᵀ that sharpen them. */
const ITERATIONS = 4;
/** What is left of a vector below this share is float32's rounding. */
const NEGLIGIBLE = 1e-6;

/**
 * Halko, Martinsson and Tropp's randomised SVD (arXiv:0909.4061, algorithms 4.4 and 5.1): an
 * orthonormal basis Q of the range of A·Ω by subspace iteration, then the small exact
 * decomposition of B = Qᵀ·A. Products are float32 on the engine; orthonormalisation and B's
 * decomposition are float64. With as many directions as A has columns Ω is the identity, and the
 * result is exact to float32's rounding.
 *
 * Takes 4·(rows·columns + l·(rows + columns)) bytes of the engine's memory, l ≈ 1.25·count, each part
 * for the largest matrix there was.
 */
export class RandomizedSvd implements TruncatedSvd {
  readonly name = 'randomized';
  readonly description: string;
  readonly #engine: HostEngine;
  readonly #scratch: Scratch;

  constructor(engine: HostEngine) {
    this.#engine = engine;
    this.#scratch = new Scratch(engine);
    this.description = `randomized, products by ${engine.name}`;
  }

  singularValues(a: Float64Array, rows: number, columns: number): Float64Array {
    return this.decompose(a, rows, columns, Math.min(rows, columns)).values;
  }

  decompose(matrix: Float64Array, rows: number, columns: number, count: number): SingularTriplets {
    if (rows < columns) return this.#transposed(matrix, rows, columns, count);
    const extra = Math.max(OVERSAMPLING, Math.ceil(count / 4));
    const l = Math.min(count + extra, columns);
    const a = this.#scratch.tensor('a', [rows, columns]);
    const y = this.#scratch.tensor('y', [l, rows]);
    const z = this.#scratch.tensor('z', [l, columns]);
    a.data.set(matrix);
    this.#findRange(a, y, z, l === columns);
    // z = B, [l, columns]
    this.#engine.gemm(false, false, 1, asMatrix(y), asMatrix(a), 0, asMatrix(z));
    const small = new SVD(Dense.from1DArray(l, columns, z.data), { autoTranspose: true });
    const { diagonal, leftSingularVectors: u, rightSingularVectors: v } = small;
    const left = new Float64Array(rows * count);
    for (let k = 0; k < l; k++) {
      const q = y.data.subarray(k * rows, (k + 1) * rows);
      for (let i = 0; i < rows; i++) {
        const share = q[i] as number;
        for (let c = 0; c < count; c++) {
          left[i * count + c] = (left[i * count + c] as number) + share * u.get(k, c);
        }
      }
    }
    const right = new Float64Array(count * columns);
    for (let c = 0; c < count; c++) {
      for (let i = 0; i < columns; i++) right[c * columns + i] = v.get(i, c);
    }
    return { values: Float64Array.from(diagonal.slice(0, count)), left, right };
  }

  /** Leaves Qᵀ in y, [l, rows]. */
  #findRange(a: HostTensor, y: HostTensor, z: HostTensor, whole: boolean): void {
    const [rows = 0, columns = 0] = a.shape;
    if (whole) {
      z.data.fill(0);
      for (let i = 0; i < columns; i++) z.data[i * columns + i] = 1;
    } else {
      randomStream(0, 'randomized-svd').fillUniform(z.data, 0, -1, 1);
    }
    for (let iteration = 0; ; iteration++) {
      this.#engine.gemm(false, true, 1, asMatrix(z), asMatrix(a), 0, asMatrix(y));
      orthonormalize(y.data, rows);
      if (whole || iteration === ITERATIONS) return;
      this.#engine.gemm(false, false, 1, asMatrix(y), asMatrix(a), 0, asMatrix(z));
      orthonormalize(z.data, columns);
    }
  }

  #transposed(a: Float64Array, rows: number, columns: number, count: number): SingularTriplets {
    const { values, left, right } = this.decompose(
      transpose(a, rows, columns),
      columns,
      rows,
      count,
    );
    return {
      values,
      left: transpose(right, count, rows),
      right: transpose(left, columns, count),
    };
  }
}

/** Makes rows of `width` orthonormal in place, in order (Gram-Schmidt, twice); one that depends on
 * those before it becomes zero. */
function orthonormalize(data: Float32Array, width: number): void {
  const count = data.length / width;
  const vectors: Float64Array[] = [];
  for (let k = 0; k < count; k++) {
    const row = data.subarray(k * width, (k + 1) * width);
    const vector = Float64Array.from(row);
    const before = Math.sqrt(dot(vector, vector));
    for (let pass = 0; pass < 2; pass++) {
      for (const other of vectors) {
        const share = dot(vector, other);
        if (share === 0) continue;
        for (let i = 0; i < width; i++) {
          vector[i] = (vector[i] as number) - share * (other[i] as number);
        }
      }
    }
    const norm = Math.sqrt(dot(vector, vector));
    if (norm <= NEGLIGIBLE * before) {
      row.fill(0);
      continue;
    }
    for (let i = 0; i < width; i++) vector[i] = (vector[i] as number) / norm;
    row.set(vector);
    vectors.push(vector);
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}
