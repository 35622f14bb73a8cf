/** How often the truth lies within a band of predictions, by target: bounds are inside. */
export class CoverageSums {
  /** [targets, 2]: weights of the rows inside, and of all. */
  readonly #sums: Float64Array;

  constructor(targets: number) {
    this.#sums = new Float64Array(2 * targets);
  }

  clear(): void {
    this.#sums.fill(0);
  }

  /**
   * @param target its place
   * @param band lower and upper bounds, [columns] each
   * @param truth [columns]
   * @param valid columns that count, from the first on
   * @param weights [columns], or null: all rows weigh the same
   */
  add(
    target: number,
    band: { readonly lower: Float32Array; readonly upper: Float32Array },
    truth: Float32Array,
    { valid, weights }: { readonly valid: number; readonly weights: Float32Array | null },
  ): void {
    const { lower, upper } = band;
    let [inside, all] = [0, 0];
    for (let c = 0; c < valid; c++) {
      const w = weights === null ? 1 : (weights[c] as number);
      const y = truth[c] as number;
      all += w;
      if ((lower[c] as number) <= y && y <= (upper[c] as number)) inside += w;
    }
    this.#sums[2 * target] = (this.#sums[2 * target] as number) + inside;
    this.#sums[2 * target + 1] = (this.#sums[2 * target + 1] as number) + all;
  }

  /** The share of a target's rows that are inside; NaN where there are none. */
  shareOf(target: number): number {
    return (this.#sums[2 * target] as number) / (this.#sums[2 * target + 1] as number);
  }
}
