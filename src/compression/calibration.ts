import type { Activation } from '../engines/activations.js';
import type { HostEngine } from '../engines/host-engine.js';
import { Scratch } from '../engines/scratch.js';
import type { DenseLayer } from '../models/dense-network.js';
import { asMatrix, matrixColumns, type HostTensor } from '../tensor/tensor.js';
import { Between, type BetweenOptions } from './between.js';

/** Rows of data as a network sees them. */
export interface CalibrationRows {
  /** [features, rows] */
  readonly x: Float32Array;
  readonly rows: number;
}

/** What enters a layer. */
export interface InputMoments {
  /** Samples that it was measured on. */
  readonly rows: number;
  /** μ, [N] */
  readonly mean: Float64Array;
  /** S = E[(x − μ)(x − μ)ᵀ], [N, N] */
  readonly covariance: Float64Array;
}

/** Columns whose products are summed in float32; beyond them sums are float64. */
const CHUNK = 256;

/**
 * Takes rows through a dense network, layer by layer, and says what enters each layer and how far
 * a layer's outputs are off on it.
 *
 * Takes 4·rows·(features + 3·N) bytes of the engine's memory, and 4·N² for the products.
 */
export class Calibration {
  readonly #engine: HostEngine;
  readonly #data: CalibrationRows;
  readonly #scratch: Scratch;
  readonly #first: HostTensor;
  readonly #between: Between;
  #x: HostTensor;
  /** Layers that the rows have passed. */
  #passed = 0;

  constructor(engine: HostEngine, data: CalibrationRows, between: BetweenOptions) {
    this.#engine = engine;
    this.#data = data;
    this.#between = new Between(engine, between);
    this.#scratch = new Scratch(engine);
    const { x, rows } = data;
    this.#x = engine.allocate([x.length / rows, rows]);
    this.#x.data.set(x);
    this.#first = this.#x;
  }

  /** Begins anew with the first layer. */
  restart(): void {
    this.#x = this.#first;
  }

  /** Comes to a layer: what it takes is what `moments` and `multiply` are about. */
  enter(layer: DenseLayer): void {
    this.#x = this.#between.enter(layer, this.#x);
  }

  /** Of what enters the layer. */
  moments(): InputMoments {
    const [N = 0, rows = 0] = this.#x.shape;
    const { data } = this.#x;
    const mean = Float64Array.from({ length: N }, (_, i) => {
      let sum = 0;
      for (let c = 0; c < rows; c++) sum += data[i * rows + c] as number;
      return sum / rows;
    });
    const centered = this.#scratch.tensor('difference', [N, rows]);
    for (let at = 0; at < data.length; at++) {
      centered.data[at] = (data[at] as number) - (mean[Math.floor(at / rows)] as number);
    }
    const products = this.#scratch.tensor('products', [N, N]);
    const covariance = new Float64Array(N * N);
    for (let from = 0; from < rows; from += CHUNK) {
      const chunk = matrixColumns(asMatrix(centered), from, Math.min(CHUNK, rows - from));
      this.#engine.gemm(false, true, 1, chunk, chunk, 0, asMatrix(products));
      for (let at = 0; at < covariance.length; at++) {
        covariance[at] = (covariance[at] as number) + (products.data[at] as number) / rows;
      }
    }
    return { rows, mean, covariance };
  }

  /** Computes the outputs of the layer, W x + b, for `outputError` and `advance`. */
  multiply(weight: HostTensor, bias: Float32Array): HostTensor {
    const [outputs = 0] = weight.shape;
    const z = this.#product(weight, `outputs ${this.#passed % 2}`);
    const b = this.#scratch.tensor('bias', [outputs]);
    b.data.set(bias);
    this.#engine.biasActivation('identity', z, b, z);
    return z;
  }

  /**
   * ‖ẑ − z‖ / ‖z‖ over all rows.
   *
   * @param z of `multiply`
   * @param difference W − Ŵ
   * @param shift b̂ − b
   */
  outputError(z: HostTensor, difference: HostTensor, shift: Float64Array | null): number {
    const { rows } = this.#data;
    const off = this.#product(difference, 'difference');
    let [error, size] = [0, 0];
    for (let at = 0; at < z.data.length; at++) {
      const moved = shift === null ? 0 : (shift[Math.floor(at / rows)] as number);
      error += ((off.data[at] as number) - moved) ** 2;
      size += (z.data[at] as number) ** 2;
    }
    return size === 0 ? 0 : Math.sqrt(error / size);
  }

  /** Of the outputs of a layer, all features together. @param z of `multiply` */
  variance(z: HostTensor): number {
    const { rows } = this.#data;
    let variance = 0;
    for (let from = 0; from < z.data.length; from += rows) {
      let [sum, squares] = [0, 0];
      // From the first value, so that a large mean takes no digits.
      const first = z.data[from] as number;
      for (let at = from; at < from + rows; at++) {
        const value = (z.data[at] as number) - first;
        sum += value;
        squares += value ** 2;
      }
      variance += squares / rows - (sum / rows) ** 2;
    }
    return variance;
  }

  /** What leaves a layer enters the next. @param z of `multiply` */
  advance(layer: DenseLayer, z: HostTensor, activation: Activation): void {
    this.#x = this.#between.leave(layer, z, activation);
    this.#passed++;
  }

  #product(weight: HostTensor, use: string): HostTensor {
    const out = this.#scratch.tensor(use, [weight.shape[0] as number, this.#data.rows]);
    const [a, x] = [asMatrix(weight), asMatrix(this.#x)];
    this.#engine.gemm(false, false, 1, a, x, 0, asMatrix(out));
    return out;
  }
}
