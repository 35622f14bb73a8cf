import { ShapeError } from '../base/errors.js';
import type { Engine } from '../engines/engine.js';
import {
  type AnyTensor,
  asBfloat16,
  type Dtype,
  elementBytes,
  elementCount,
  type Tensor,
  tensorPart,
} from '../tensor/tensor.js';
import type { Again } from './operator.js';
import type { Take } from './scratch-engine.js';

/** Floats between the starts of two tensors are a multiple of this: 64 bytes, as engines align. */
const ALIGNMENT = 16;

/**
 * Where an operator stands in a part of a network whose activations are not kept, but made again in the
 * backward pass. Parts follow one another.
 */
export interface Remade {
  /** Place of the part, from 0. */
  readonly part: number;
  /** Whether it is the part's last operator: what it gives is kept, and enters the next part. */
  readonly closes: boolean;
  /** What is made again of it; `no`: nothing. */
  readonly again: Again;
  /** Bytes of the memory that this part shares with every second one, for B columns. */
  readonly sharedBytes: (columns: number) => number;
}

/**
 * Memory of parts that are made again: even parts have one half, odd ones the other, so that what a part
 * leaves for the one before it (the gradient of its input) is there until that one has read it.
 */
export class RemadeMemory {
  readonly #engine: Engine;
  readonly #halves: (Tensor | null)[] = [null, null];
  readonly #takers = new Map<number, Take>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Hands out a part's memory, from the start of its half. */
  of({ part, sharedBytes }: Remade, columns: number): Take {
    const known = this.#takers.get(part);
    if (known !== undefined) return known;
    const floats = Math.ceil(sharedBytes(columns) / 4);
    const memory = (this.#halves[part % 2] ??= this.#engine.allocate([floats]));
    let from = 0;
    const take = (shape: readonly number[], dtype: Dtype): AnyTensor => {
      const size = Math.ceil((elementBytes(dtype) * elementCount(shape)) / 4);
      if (from + size > memory.length) {
        throw new ShapeError(
          'tape',
          `part ${part} wants ${4 * (from + size)} bytes of the ${4 * memory.length} that are shared; ` +
            'the memory of its layers is more than they say',
        );
      }
      const start = from;
      from += Math.ceil(size / ALIGNMENT) * ALIGNMENT;
      return dtype === 'float32'
        ? tensorPart(memory, start, shape)
        : asBfloat16(tensorPart(memory, start, [memory.length - start]), shape);
    };
    this.#takers.set(part, take);
    return take;
  }
}
