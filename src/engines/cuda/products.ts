import { NativeError, UnsupportedError } from '../../base/errors.js';
import type { CublasLt } from '../../native/cublas-lt.js';
import { addressReader } from '../../native/library.js';
import { elementBytes, type Matrix, operandDtype } from '../../tensor/tensor.js';
import { addressAt, type Calls } from './calls.js';
import type { Device } from './device.js';

// Of cublasLt.h and library_types.h.
const [COMPUTE_FLOAT32, COMPUTE_TF32] = [68, 77];
const TYPE = { float32: 0, bfloat16: 14 } as const;
const [DESCRIPTION_TRANSPOSE_A, DESCRIPTION_TRANSPOSE_B] = [3, 4];
const PREFERENCE = { workspaceBytes: 1, alignment: [5, 6, 7, 8] } as const;
/** Of an algorithm: bytes that the addresses of A, B, C and D have to be multiples of. */
const LEAST_ALIGNMENT = [16, 17, 18, 19];
/** Bytes of cublasLtMatmulHeuristicResult_t, of the algorithm at its start, and where it has its workspace and
 * whether the algorithm is one. */
const RESULT = { bytes: 96, algorithm: 64, workspace: 64, state: 72 } as const;

/** What every algorithm may use, at a multiple of 256 bytes. */
export const WORKSPACE_BYTES = 32 * 2 ** 20;
/** Of shapes that come again; beyond it the one that was made first goes. */
const MOST_PLANS = 4096;
/** The widest load of a thread. */
const WIDEST_BYTES = 16;

interface Plan {
  /** No other plan has had it. */
  readonly id: number;
  readonly description: number;
  readonly layouts: readonly [a: number, b: number, c: number];
  /** Of the algorithm. */
  readonly address: number;
  readonly workspaceBytes: number;
  /** Keeps what `address` is of. */
  readonly result: ArrayBuffer;
}

/**
 * Matrix products by cuBLASLt, with one algorithm for each shape.
 *
 * The library promises the same bits for one algorithm, version and kind of device while one stream uses
 * its workspace. Which algorithm depends on shapes, transpositions and alignments, so those must not
 * depend on how blocks are spread over ranks. An alignment is what the distance of rows lets all rows have,
 * or less where the matrix starts at less: blocks of rows of one tensor are alike then. Sums of parts of a product
 * may be kept in the workspace or in C, both in float32, as C is.
 */
export class Products {
  readonly #library: CublasLt;
  readonly #stream: number;
  readonly #workspace: number;
  readonly #tf32: boolean;
  readonly #address: (buffer: ArrayBuffer) => number;
  readonly #handle: number;
  readonly #calls: Calls;
  readonly #kind: number;
  readonly #plans = new Map<string, Plan>();
  readonly #byId = new Map<number, Plan>();
  #made = 0;
  /** Of a call that is put off, and of one that is made. */
  readonly #factors = new Float32Array(2);
  readonly #factorBits = new Uint32Array(this.#factors.buffer);
  readonly #scalars = new Uint32Array(new ArrayBuffer(8));
  readonly #scalarsAt: number;

  private constructor(
    library: CublasLt,
    { device, calls }: ProductsPlace,
    { workspace, tf32 }: ProductsOptions,
    address: (buffer: ArrayBuffer) => number,
  ) {
    this.#library = library;
    this.#calls = calls;
    this.#kind = calls.kind(10, (words, at) => this.#run(words, at));
    this.#stream = device.stream;
    this.#workspace = workspace;
    this.#tf32 = tf32;
    this.#address = address;
    this.#scalarsAt = address(this.#scalars.buffer);
    this.#handle = this.#create('cublasLtCreate', (view) => library.create(view));
  }

  static async open(
    library: CublasLt,
    place: ProductsPlace,
    options: ProductsOptions,
  ): Promise<Products> {
    return new Products(library, place, options, await addressReader());
  }

  /** Gives back what the library made; nothing may be under way. */
  close(): void {
    for (const plan of this.#plans.values()) this.#destroy(plan);
    this.#plans.clear();
    this.#library.destroy(this.#handle);
  }

  /** As `Engine.gemm`, of sizes above zero. */
  multiply(
    transposeA: boolean,
    transposeB: boolean,
    alpha: number,
    a: Matrix,
    b: Matrix,
    beta: number,
    c: Matrix,
  ): void {
    const { id } = this.#plan(transposeA, transposeB, a, b, c);
    const at = this.#calls.add(this.#kind);
    const { words } = this.#calls;
    this.#factors[0] = alpha;
    this.#factors[1] = beta;
    words[at + 1] = id;
    words.set(this.#factorBits, at + 2);
    for (const [i, { byteOffset }] of [a, b, c].entries()) {
      this.#calls.place(at + 4 + 2 * i, byteOffset);
    }
  }

  #run(words: Uint32Array, at: number): void {
    const plan = this.#byId.get(words[at + 1] ?? 0) as Plan;
    const [first, second, out] = plan.layouts;
    this.#scalars[0] = words[at + 2] ?? 0;
    this.#scalars[1] = words[at + 3] ?? 0;
    const [a, b, c] = [
      addressAt(words, at + 4),
      addressAt(words, at + 6),
      addressAt(words, at + 8),
    ];
    // Row-major C = op(A) · op(B) is column-major Cᵀ = op(B)ᵀ · op(A)ᵀ.
    this.#check(
      'cublasLtMatmul',
      this.#library.multiply(
        this.#handle,
        plan.description,
        this.#scalarsAt,
        b,
        first,
        a,
        second,
        this.#scalarsAt + 4,
        c,
        out,
        c,
        out,
        plan.address,
        this.#workspace,
        plan.workspaceBytes,
        this.#stream,
      ),
    );
  }

  #plan(transposeA: boolean, transposeB: boolean, a: Matrix, b: Matrix, c: Matrix): Plan {
    const flags = (transposeA ? 1 : 0) + (transposeB ? 2 : 0);
    const key =
      `${operandDtype(a, b)} ${flags} ${c.rows} ${c.columns} ${transposeA ? a.rows : a.columns} ` +
      `${a.stride} ${b.stride} ${c.stride} ${alignment(a)} ${alignment(b)} ${alignment(c)}`;
    const known = this.#plans.get(key);
    if (known !== undefined) return known;
    const plan = this.#find(transposeA, transposeB, a, b, c);
    for (const [oldest, old] of this.#plans) {
      if (this.#plans.size < MOST_PLANS) break;
      // The library has read them when a call returns.
      this.#calls.submit();
      this.#destroy(old);
      this.#plans.delete(oldest);
      this.#byId.delete(old.id);
    }
    this.#plans.set(key, plan);
    this.#byId.set(plan.id, plan);
    return plan;
  }

  #find(transposeA: boolean, transposeB: boolean, a: Matrix, b: Matrix, c: Matrix): Plan {
    const library = this.#library;
    const isTf32 = this.#tf32 && a.dtype === 'float32';
    const description = this.#create('cublasLtMatmulDescCreate', (view) =>
      library.describe(view, isTf32 ? COMPUTE_TF32 : COMPUTE_FLOAT32, TYPE.float32),
    );
    const transpose = (attribute: number, on: boolean) =>
      this.#check(
        'cublasLtMatmulDescSetAttribute',
        library.setDescription(description, attribute, new Int32Array([on ? 1 : 0]), 4),
      );
    transpose(DESCRIPTION_TRANSPOSE_A, transposeB);
    transpose(DESCRIPTION_TRANSPOSE_B, transposeA);
    const layout = ({ dtype, rows, columns, stride }: Matrix) =>
      this.#create('cublasLtMatrixLayoutCreate', (view) =>
        library.layout(view, TYPE[dtype], columns, rows, Math.max(1, columns, stride)),
      );
    const layouts = [layout(b), layout(a), layout(c)] as const;
    const result = new ArrayBuffer(RESULT.bytes);
    const asked = { description, layouts };
    const operands = [b, a, c, c];
    let state = this.#propose(asked, this.#preference(operands), result);
    if (state === NOT_SUPPORTED) {
      // One for alignments that it assumes may do with less.
      state = this.#propose(asked, this.#preference([]), result);
      if (state === 0 && !this.#takes(result, operands)) state = NOT_SUPPORTED;
    }
    if (state !== 0) {
      this.#destroy(asked);
      const remedy = a.dtype === 'bfloat16' ? '; --compute float32 works on all' : '';
      throw new UnsupportedError(
        'cublaslt',
        `${library.path} has no algorithm for a product of ${a.dtype} [${c.rows}, ${c.columns}] with ` +
          `inner size ${transposeA ? a.rows : a.columns} on this device (status ${state})${remedy}`,
      );
    }
    const workspaceBytes = Number(new BigUint64Array(result, RESULT.workspace, 1)[0]);
    const [id, at] = [++this.#made, this.#address(result)];
    return { id, description, layouts, result, address: at, workspaceBytes };
  }

  /** Asks for an algorithm. @returns 0, or the status that says why there is none */
  #propose(
    { description, layouts }: Pick<Plan, 'description' | 'layouts'>,
    preference: number,
    result: ArrayBuffer,
  ): number {
    const [first, second, out] = layouts;
    const count = new Int32Array(1);
    const code = this.#library.algorithms(
      this.#handle,
      description,
      first,
      second,
      out,
      out,
      preference,
      1,
      new Uint8Array(result),
      count,
    );
    this.#library.destroyPreference(preference);
    if (code !== 0) return code;
    return count[0] === 1 ? (new Int32Array(result, RESULT.state, 1)[0] ?? 0) : NOT_SUPPORTED;
  }

  /** Whether an algorithm does with the alignments of the library's A, B, C and D. */
  #takes(result: ArrayBuffer, operands: readonly Matrix[]): boolean {
    const [needed, written] = [new Uint32Array(1), new BigUint64Array(1)];
    const algorithm = new Uint8Array(result, 0, RESULT.algorithm);
    return operands.every((operand, i) => {
      const attribute = LEAST_ALIGNMENT[i] ?? 0;
      this.#check(
        'cublasLtMatmulAlgoCapGetAttribute',
        this.#library.algorithmAttribute(algorithm, attribute, needed, 4, written),
      );
      return (needed[0] ?? 0) <= alignment(operand);
    });
  }

  /** @param operands of the library's A, B, C and D, whose alignments it is told */
  #preference(operands: readonly Matrix[]): number {
    const library = this.#library;
    const preference = this.#create('cublasLtMatmulPreferenceCreate', (view) =>
      library.prefer(view),
    );
    const set = (attribute: number, view: Uint32Array | BigUint64Array) =>
      this.#check(
        'cublasLtMatmulPreferenceSetAttribute',
        library.setPreference(preference, attribute, view, view.byteLength),
      );
    set(PREFERENCE.workspaceBytes, new BigUint64Array([BigInt(WORKSPACE_BYTES)]));
    for (const [i, operand] of operands.entries()) {
      set(PREFERENCE.alignment[i] ?? 0, new Uint32Array([alignment(operand)]));
    }
    return preference;
  }

  #destroy({ description, layouts }: Pick<Plan, 'description' | 'layouts'>): void {
    for (const layout of layouts) this.#library.destroyLayout(layout);
    this.#library.destroyDescription(description);
  }

  #create(call: string, make: (view: BigUint64Array) => number): number {
    const view = new BigUint64Array(1);
    this.#check(call, make(view));
    return Number(view[0]);
  }
  #check(call: string, code: number): void {
    if (code === 0) return;
    const why = STATUS[code] ?? 'see cublasStatus_t';
    throw new NativeError('cublaslt', `${call} ended with ${code}: ${why}`);
  }
}

/** CUBLAS_STATUS_NOT_SUPPORTED. */
const NOT_SUPPORTED = 15;
const STATUS: Readonly<Record<number, string>> = {
  1: 'the library could not start; its version may not fit the driver',
  3: 'out of memory: use more ranks, fewer layers or smaller batches',
  7: 'a value that it does not take',
  8: 'it does not support this device',
  13: 'the product failed on the device; start again, from the last checkpoint with --resume',
  14: 'an error of its own; it may lack memory for a kernel that it loads now: leave the device more, by a smaller batch',
  [NOT_SUPPORTED]: 'it does not support this product',
};

interface ProductsOptions {
  /** Address of `WORKSPACE_BYTES` of the device's memory. */
  readonly workspace: number;
  /** Whether float32 operands are rounded to TF32. */
  readonly tf32: boolean;
}

/** Where products are made. */
interface ProductsPlace {
  readonly device: Device;
  readonly calls: Calls;
}

/** Bytes that every row of a matrix starts at a multiple of, up to what a thread loads at once. */
function alignment({ dtype, byteOffset, stride }: Matrix): number {
  const size = elementBytes(dtype);
  const steps = byteOffset | (size * stride);
  let bytes: number = size;
  while (bytes < WIDEST_BYTES && steps % (2 * bytes) === 0) bytes *= 2;
  return bytes;
}
