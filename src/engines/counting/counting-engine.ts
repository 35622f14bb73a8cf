import type { Matrix } from '../../tensor/tensor.js';
import type { Engine } from '../engine.js';
import { ForwardingEngine } from '../forwarding-engine.js';

/** What matrix products have cost; whoever owns the counter may set it back. */
export interface FlopCounter {
  /** 2 · m · n · k a product, exact up to 2⁵³. */
  flops: number;
  products: number;
}

/** The engine, with its matrix products counted in `counter`; element-wise kernels are not. */
export function countingEngine(engine: Engine, counter: FlopCounter): Engine {
  return new CountingEngine(engine, counter);
}

class CountingEngine extends ForwardingEngine {
  readonly #counter: FlopCounter;

  constructor(engine: Engine, counter: FlopCounter) {
    super(engine);
    this.#counter = counter;
  }

  override gemm(
    transposeA: boolean,
    transposeB: boolean,
    alpha: number,
    a: Matrix,
    b: Matrix,
    beta: number,
    c: Matrix,
  ): void {
    super.gemm(transposeA, transposeB, alpha, a, b, beta, c);
    this.#counter.flops += 2 * c.rows * c.columns * (transposeA ? a.rows : a.columns);
    this.#counter.products += 1;
  }
}
