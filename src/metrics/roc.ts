/** Scores that are kept for areas under curves: of more rows a part, evenly spaced. */
const MOST_SCORES = 1 << 20;

/**
 * The scores of rows, for areas under curves: of all rows, or of as many as make a million scores
 * (8 MB), evenly spaced.
 */
export class ScoreSample {
  /** Rows that are kept. */
  readonly rows: number;
  readonly #width: number;
  readonly #everyRow: number;
  readonly #scores: Float64Array;
  readonly #positive: Uint8Array;
  readonly #weights: Float32Array;
  #seen = 0;
  #kept = 0;

  /**
   * @param rows that will come
   * @param width scores of a row
   */
  constructor(rows: number, width: number, mostScores = MOST_SCORES) {
    this.rows = Math.min(rows, Math.max(1, Math.floor(mostScores / width)));
    this.#width = width;
    this.#everyRow = this.rows / rows;
    this.#scores = new Float64Array(this.rows * width);
    this.#positive = new Uint8Array(this.rows * width);
    this.#weights = new Float32Array(this.rows);
  }

  clear(): void {
    this.#seen = 0;
    this.#kept = 0;
  }

  /** Whether the next row is kept; then `add` is called for each of its scores. */
  next(weight: number): boolean {
    const isKept = Math.floor(++this.#seen * this.#everyRow + 1e-9) > this.#kept;
    if (isKept && this.#kept < this.rows) this.#weights[this.#kept++] = weight;
    return isKept;
  }

  /** Score i of the row that is kept. */
  add(i: number, score: number, positive: boolean): void {
    const at = i * this.rows + this.#kept - 1;
    this.#scores[at] = score;
    this.#positive[at] = positive ? 1 : 0;
  }

  /** Area under the curve of score i; NaN without a positive or a negative row. */
  area(i: number): number {
    const [first, last] = [i * this.rows, i * this.rows + this.#kept];
    const scores = this.#scores.subarray(first, last);
    return areaUnderRoc(scores, this.#positive.subarray(first, last), this.#weights);
  }

  /** Mean of the areas of the scores for which there is one. */
  meanArea(): number {
    const areas = Array.from({ length: this.#width }, (_, i) => this.area(i));
    const known = areas.filter((area) => !Number.isNaN(area));
    return known.reduce((sum, area) => sum + area, 0) / known.length;
  }
}

/**
 * Area under the receiver operating characteristic: the probability that a positive row scores
 * higher than a negative one; ties count half.
 *
 * @param scores [rows]
 * @param positive [rows], 1 or 0
 * @param weights [rows] or longer
 * @returns NaN without a positive or a negative row
 */
function areaUnderRoc(scores: Float64Array, positive: Uint8Array, weights: Float32Array): number {
  const order = Uint32Array.from(scores, (_, i) => i).toSorted(
    (a, b) => (scores[a] as number) - (scores[b] as number),
  );
  let area = 0;
  let [below, above] = [0, 0];
  for (let i = 0; i < order.length;) {
    const score = scores[order[i] as number];
    let [negatives, positives] = [0, 0];
    for (; i < order.length && scores[order[i] as number] === score; i++) {
      const row = order[i] as number;
      if (positive[row] === 1) positives += weights[row] as number;
      else negatives += weights[row] as number;
    }
    area += positives * (below + negatives / 2);
    below += negatives;
    above += positives;
  }
  return area / (below * above);
}
