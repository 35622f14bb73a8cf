import type { Engine } from '../engines/engine.js';
import { ForwardingEngine } from '../engines/forwarding-engine.js';
import type { AnyTensor, Dtype, Tensor } from '../tensor/tensor.js';

/** Hands out memory. */
export type Take = (shape: readonly number[], dtype: Dtype) => AnyTensor;

/** The engine, with what one place allocates taken from memory that it shares with others. */
export class ScratchEngine extends ForwardingEngine {
  readonly #take: Take;

  constructor(engine: Engine, take: Take) {
    super(engine);
    this.#take = take;
  }

  override allocate(shape: readonly number[]): Tensor;
  override allocate(shape: readonly number[], dtype: 'bfloat16'): Tensor<'bfloat16'>;
  override allocate(shape: readonly number[], dtype: Dtype): AnyTensor;
  override allocate(shape: readonly number[], dtype: Dtype = 'float32'): AnyTensor {
    return this.#take(shape, dtype);
  }
}
