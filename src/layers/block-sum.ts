import { treeSplit } from '../communicators/communicator.js';
import type { Engine } from '../engines/engine.js';
import type { Tensor } from '../tensor/tensor.js';
import { treeLevels } from './memory-size.js';

/**
 * Sums what each block of a rank contributes, by the fixed binary tree over block indices: the
 * part of a sum over all blocks that one rank does before a collective. A rank that hosts a whole
 * subtree therefore sends the same partial sum that more ranks would have formed between them.
 */
export class BlockSum {
  readonly #engine: Engine;
  readonly #count: number;
  /** One spare buffer for each level of the tree. */
  readonly #spares: readonly Tensor[];

  /** @param spare makes the buffer for one level, of the shape of what is summed */
  constructor(engine: Engine, count: number, spare: (level: number) => Tensor) {
    this.#engine = engine;
    this.#count = count;
    this.#spares = Array.from({ length: treeLevels(count) }, (_, level) => spare(level));
  }

  /** out = Σ over blocks of what `contribute(block, target)` writes into its target. */
  into(out: Tensor, contribute: (block: number, target: Tensor) => void): void {
    this.#sum(0, this.#count, out, 0, contribute);
  }

  #sum(
    from: number,
    count: number,
    out: Tensor,
    level: number,
    contribute: (block: number, target: Tensor) => void,
  ): void {
    const spare = this.#spares[level];
    if (count === 1 || spare === undefined) {
      contribute(from, out);
      return;
    }
    const split = treeSplit(count);
    this.#sum(from, split, out, level + 1, contribute);
    this.#sum(from + split, count - split, spare, level + 1, contribute);
    this.#engine.add(out, spare, out);
  }
}

/** Σ values by the same tree, in float64: losses and norms that each block has its part of. */
export function treeSum(values: ArrayLike<number>, from = 0, count = values.length): number {
  if (count === 0) return 0;
  if (count === 1) return values[from] ?? 0;
  const split = treeSplit(count);
  return treeSum(values, from, split) + treeSum(values, from + split, count - split);
}
