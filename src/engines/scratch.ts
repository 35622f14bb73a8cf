import { elementCount, type HostTensor, tensorPart } from '../tensor/tensor.js';
import type { HostEngine } from './host-engine.js';

/** Memory of an engine is never given back: tensors of one use share what the largest takes. */
export class Scratch {
  readonly #engine: HostEngine;
  readonly #held = new Map<string, HostTensor>();

  constructor(engine: HostEngine) {
    this.#engine = engine;
  }

  /** What it holds is what the last one of this use left. */
  tensor(use: string, shape: readonly number[]): HostTensor {
    const known = this.#held.get(use);
    const enough = known !== undefined && known.length >= elementCount(shape);
    const whole = enough ? known : this.#engine.allocate(shape);
    this.#held.set(use, whole);
    return tensorPart(whole, 0, shape);
  }
}
