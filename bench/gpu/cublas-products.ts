// cuBLASLt called as its documentation has it, without the engine: the algorithms that it proposes for a product,
// with a large workspace and no rule about how they sum.
import { NativeError } from '#src/base/errors.js';
import type { Device } from '#src/engines/cuda/device.js';
import type { CublasLt } from '#src/native/cublas-lt.js';
import { addressReader } from '#src/native/library.js';
import type { Matrix } from '#src/tensor/tensor.js';

/** Whether A and B are transposed. */
export type ProductForm = 'NN' | 'NT' | 'TN';

// Of cublasLt.h and library_types.h.
const COMPUTE: Readonly<Record<string, number>> = { float32: 68, tf32: 77, bfloat16: 68 };
const TYPE = { float32: 0, bfloat16: 14 } as const;
const WORKSPACE_ATTRIBUTE = 1;
const [TRANSPOSE_A, TRANSPOSE_B] = [3, 4];
const RESULT = { bytes: 96, workspace: 64, state: 72 } as const;

const WORKSPACE_BYTES = 128 * 2 ** 20;
/** The library names the fastest first. */
const MOST_ALGORITHMS = 8;

export class CublasProducts {
  readonly #library: CublasLt;
  readonly #device: Device;
  readonly #workspace: number;
  readonly #address: (buffer: ArrayBuffer) => number;
  readonly #handle: number;
  /** What calls read by its address. */
  readonly #kept: ArrayBuffer[] = [];

  private constructor(library: CublasLt, device: Device, address: (of: ArrayBuffer) => number) {
    this.#library = library;
    this.#device = device;
    this.#address = address;
    const workspace = device.allocate(WORKSPACE_BYTES);
    if (workspace === null) throw new NativeError('cublaslt', 'no memory for a workspace');
    this.#workspace = workspace;
    this.#handle = made('cublasLtCreate', (view) => library.create(view));
  }

  static async open(library: CublasLt, device: Device): Promise<CublasProducts> {
    return new CublasProducts(library, device, await addressReader());
  }

  close(): void {
    this.#device.synchronize();
    this.#library.destroy(this.#handle);
  }

  /** Calls of C = op(A) · op(B), one for each algorithm that is proposed. */
  algorithms(
    form: ProductForm,
    compute: string,
    a: Matrix,
    b: Matrix,
    c: Matrix,
  ): readonly (() => void)[] {
    const library = this.#library;
    const description = made('cublasLtMatmulDescCreate', (view) =>
      library.describe(view, COMPUTE[compute] ?? 0, TYPE.float32),
    );
    // Row-major C is column-major Cᵀ = op(B)ᵀ · op(A)ᵀ.
    const transpose = (attribute: number, on: boolean) => {
      const view = new Int32Array([on ? 1 : 0]);
      checked(
        'cublasLtMatmulDescSetAttribute',
        library.setDescription(description, attribute, view, 4),
      );
    };
    transpose(TRANSPOSE_A, form === 'NT');
    transpose(TRANSPOSE_B, form === 'TN');
    const layout = ({ dtype, rows, columns, stride }: Matrix) =>
      made('cublasLtMatrixLayoutCreate', (view) =>
        library.layout(view, TYPE[dtype], columns, rows, stride),
      );
    const [first, second, out] = [layout(b), layout(a), layout(c)];
    const preference = made('cublasLtMatmulPreferenceCreate', (view) => library.prefer(view));
    const bytes = new BigUint64Array([BigInt(WORKSPACE_BYTES)]);
    checked(
      'cublasLtMatmulPreferenceSetAttribute',
      library.setPreference(preference, WORKSPACE_ATTRIBUTE, bytes, 8),
    );
    const results = new Uint8Array(MOST_ALGORITHMS * RESULT.bytes);
    const count = new Int32Array(1);
    checked(
      'cublasLtMatmulAlgoGetHeuristic',
      library.algorithms(
        this.#handle,
        description,
        first,
        second,
        out,
        out,
        preference,
        MOST_ALGORITHMS,
        results,
        count,
      ),
    );
    const scalars = Float32Array.of(1, 0).buffer;
    this.#kept.push(scalars, results.buffer);
    const [alpha, algorithm] = [this.#address(scalars), this.#address(results.buffer)];
    const view = new DataView(results.buffer);
    const calls: (() => void)[] = [];
    for (let at = 0; at < (count[0] ?? 0) * RESULT.bytes; at += RESULT.bytes) {
      if (view.getInt32(at + RESULT.state, true) !== 0) continue;
      const workspace = Number(view.getBigUint64(at + RESULT.workspace, true));
      calls.push(() => {
        const code = library.multiply(
          this.#handle,
          description,
          alpha,
          b.byteOffset,
          first,
          a.byteOffset,
          second,
          alpha + 4,
          c.byteOffset,
          out,
          c.byteOffset,
          out,
          algorithm + at,
          this.#workspace,
          workspace,
          this.#device.stream,
        );
        checked('cublasLtMatmul', code);
      });
    }
    if (calls.length === 0) throw new NativeError('cublaslt', 'proposes no algorithm');
    return calls;
  }
}

function made(call: string, make: (view: BigUint64Array) => number): number {
  const view = new BigUint64Array(1);
  checked(call, make(view));
  return Number(view[0]);
}

function checked(call: string, code: number): void {
  if (code !== 0) throw new NativeError('cublaslt', `${call} ended with ${code}`);
}
