import { treeSplit } from '../communicators/communicator.js';
import type { Engine } from '../engines/engine.js';
import type { Tensor } from '../tensor/tensor.js';
import { treeLevels } from './padded-bytes.js';

/**
 * Sums what each block of a rank contributes, by the fixed binary tree over block indices: the
 * part of a sum over all blocks that one rank does before a collective. A rank that hosts a whole
 * subtree therefore sends the same partial sum that more ranks would have formed between them.
 */
export class BlockSum {
  readonly #engine: Engine;
  readonly #tree: SumTree;

  /** @param spare makes the buffer for one level of the tree, of the shape of what is summed */
  constructor(engine: Engine, count: number, spare: (level: number) => Tensor) {
    this.#engine = engine;
    const spares = Array.from({ length: treeLevels(count) }, (_, level) => spare(level));
    this.#tree = sumTree(0, count, spares);
  }

  /** out = Σ over blocks of what `contribute(block, target)` writes into its target. */
  into(out: Tensor, contribute: (block: number, target: Tensor) => void): void {
    this.#sum(this.#tree, out, contribute);
  }

  #sum(tree: SumTree, out: Tensor, contribute: (block: number, target: Tensor) => void): void {
    if (typeof tree === 'number') {
      contribute(tree, out);
      return;
    }
    this.#sum(tree.left, out, contribute);
    this.#sum(tree.right, tree.spare, contribute);
    this.#engine.add(out, tree.spare, out);
  }
}

/** A block, or the sum of two parts, of which the right one is made in a spare buffer. */
type SumTree = number | { readonly left: SumTree; readonly right: SumTree; readonly spare: Tensor };

/** @param spares one for each level from here down */
function sumTree(from: number, count: number, [spare, ...below]: readonly Tensor[]): SumTree {
  if (count === 1 || spare === undefined) return from;
  const split = treeSplit(count);
  return {
    left: sumTree(from, split, below),
    right: sumTree(from + split, count - split, below),
    spare,
  };
}

/** Σ values by the same tree, in float64: losses and norms that each block has its part of. */
export function treeSum(values: ArrayLike<number>, from = 0, count = values.length): number {
  if (count === 0) return 0;
  if (count === 1) return values[from] ?? 0;
  const split = treeSplit(count);
  return treeSum(values, from, split) + treeSum(values, from + split, count - split);
}
