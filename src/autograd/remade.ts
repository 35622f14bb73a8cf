import { ShapeError } from '../base/errors.js';
import type { Engine } from '../engines/engine.js';
import type { AnyTensor, Dtype, Tensor } from '../tensor/tensor.js';
import { Carver, floatsOf } from './carver.js';
import type { Again } from './operator.js';
import type { Take } from './scratch-engine.js';

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
    const carver = new Carver(memory);
    const take = (shape: readonly number[], dtype: Dtype): AnyTensor => {
      const taken = carver.take(shape, dtype);
      if (taken !== null) return taken;
      const bytes = 4 * (carver.from + floatsOf(shape, dtype));
      throw new ShapeError(
        'tape',
        `part ${part} wants ${bytes} bytes of the ${4 * memory.length} that are shared; ` +
          'the memory of its layers is more than they say',
      );
    };
    this.#takers.set(part, take);
    return take;
  }
}
