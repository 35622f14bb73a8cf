import { randomStream } from '../tensor/random.js';

/** Micro-batches of a step where nobody says how many: the largest, the smallest and two drawn. */
export const NESTED_MICRO_BATCHES = 4;

/**
 * How many ghosts each micro-batch of a step uses, so that the first K' of them come to work for
 * every K' (after the sandwich rule of arXiv:1903.05134): the first micro-batch K, the second 1,
 * the others a draw from 1 … K with P(k) = ln(1 + 1/k) / ln(1 + K), which favors no octave. A step
 * costs no more than one with K ghosts throughout, and its loss is the mean over these widths.
 *
 * A draw depends on the seed, the step and the micro-batch alone.
 */
export class NestedGhosts {
  /** K */
  readonly ghosts: number;
  readonly #draw: (index: number) => number;

  constructor(seed: number, ghosts: number) {
    this.ghosts = ghosts;
    const stream = randomStream(seed, 'nested ghosts');
    this.#draw = (index) => stream.uniform(index);
  }

  /** Ghosts in use, 1 … K. @param microBatch from 0; below 2²⁴ @param step steps done before */
  at(step: number, microBatch: number): number {
    // The largest comes first: gradients of all ghosts are written then, and later ones added.
    if (microBatch === 0) return this.ghosts;
    if (microBatch === 1) return 1;
    const drawn = Math.floor((this.ghosts + 1) ** this.#draw(step * 2 ** 24 + microBatch));
    return Math.min(this.ghosts, Math.max(1, drawn));
  }
}
