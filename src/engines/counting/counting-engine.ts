import type { Matrix, Tensor } from '../../tensor/tensor.js';
import type { Activation, AdamStep, CrossEntropyResult, Engine, SgdStep } from '../engine.js';

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

class CountingEngine implements Engine {
  readonly #engine: Engine;
  readonly #counter: FlopCounter;

  constructor(engine: Engine, counter: FlopCounter) {
    this.#engine = engine;
    this.#counter = counter;
  }

  get name(): string {
    return this.#engine.name;
  }
  get description(): string {
    return this.#engine.description;
  }
  get allocatedBytes(): number {
    return this.#engine.allocatedBytes;
  }
  get capacityBytes(): number {
    return this.#engine.capacityBytes;
  }
  allocate(shape: readonly number[]): Tensor {
    return this.#engine.allocate(shape);
  }

  gemm(
    transposeA: boolean,
    transposeB: boolean,
    alpha: number,
    a: Matrix,
    b: Matrix,
    beta: number,
    c: Matrix,
  ): void {
    this.#engine.gemm(transposeA, transposeB, alpha, a, b, beta, c);
    this.#counter.flops += 2 * c.rows * c.columns * (transposeA ? a.rows : a.columns);
    this.#counter.products += 1;
  }

  biasActivation(activation: Activation, z: Tensor, bias: Tensor | null, out: Tensor): void {
    this.#engine.biasActivation(activation, z, bias, out);
  }
  biasActivationGradient(
    activation: Activation,
    z: Tensor,
    out: Tensor,
    dOut: Tensor,
    dz: Tensor,
    betaBias: number,
    dBias: Tensor | null,
  ): void {
    this.#engine.biasActivationGradient(activation, z, out, dOut, dz, betaBias, dBias);
  }
  add(a: Tensor, b: Tensor, out: Tensor): void {
    this.#engine.add(a, b, out);
  }
  axpy(alpha: number, x: Tensor, y: Tensor): void {
    this.#engine.axpy(alpha, x, y);
  }
  scale(alpha: number, x: Tensor): void {
    this.#engine.scale(alpha, x);
  }
  fill(x: Tensor, value: number): void {
    this.#engine.fill(x, value);
  }
  copy(from: Tensor, to: Tensor): void {
    this.#engine.copy(from, to);
  }
  sumOfSquares(x: Tensor): number {
    return this.#engine.sumOfSquares(x);
  }
  squaredError(
    z: Tensor,
    target: Tensor,
    dz: Tensor,
    gradientScale: number,
    validColumns: number,
  ): number {
    return this.#engine.squaredError(z, target, dz, gradientScale, validColumns);
  }
  softmaxCrossEntropy(
    logits: Tensor,
    labels: Tensor,
    dLogits: Tensor,
    gradientScale: number,
    validColumns: number,
    result: CrossEntropyResult,
  ): void {
    const engine = this.#engine;
    engine.softmaxCrossEntropy(logits, labels, dLogits, gradientScale, validColumns, result);
  }
  sgdStep(weights: Tensor, gradient: Tensor, velocity: Tensor | null, step: SgdStep): number {
    return this.#engine.sgdStep(weights, gradient, velocity, step);
  }
  adamStep(
    weights: Tensor,
    gradient: Tensor,
    firstMoment: Tensor,
    secondMoment: Tensor,
    step: AdamStep,
  ): number {
    return this.#engine.adamStep(weights, gradient, firstMoment, secondMoment, step);
  }
  synchronize(): void {
    this.#engine.synchronize();
  }
}
