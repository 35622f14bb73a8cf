import { randomStream } from '../tensor/random.js';

/**
 * The stream of rows that training visits: epoch after epoch, each a permutation of all rows that
 * depends on (seed, epoch) alone. Batch t of B rows is positions tB … tB+B−1 of the stream, so a
 * batch may span two epochs and no row is left out.
 */
export interface Sampler {
  /** Writes the rows at positions `firstPosition`, `firstPosition + 1`, … into `out`. */
  rowsAt(firstPosition: number, out: Float64Array): void;
}

/**
 * @param rows Rows in the data, or Infinity for a stream without end, which is never shuffled.
 * @param shuffle False for 0, 1, …, rows−1 again and again.
 * @throws RangeError when there are no rows.
 */
export function createSampler(rows: number, seed: number, shuffle: boolean): Sampler {
  if (!(rows > 0)) throw new RangeError(`a sampler of ${rows} rows; at least one is needed`);
  return shuffle && rows !== Infinity ? new ShuffledSampler(rows, seed) : new OrderedSampler(rows);
}

class OrderedSampler implements Sampler {
  private readonly rows: number;

  constructor(rows: number) {
    this.rows = rows;
  }

  rowsAt(firstPosition: number, out: Float64Array): void {
    for (let i = 0; i < out.length; i++) out[i] = (firstPosition + i) % this.rows;
  }
}

/** Keeps one epoch's order at a time: positions are asked for in order but for a resumed run. */
class ShuffledSampler implements Sampler {
  private readonly rows: number;
  private readonly seed: number;
  private epoch = -1;
  private order: Uint32Array = new Uint32Array();

  constructor(rows: number, seed: number) {
    this.rows = rows;
    this.seed = seed;
  }

  rowsAt(firstPosition: number, out: Float64Array): void {
    for (let i = 0; i < out.length; i++) {
      const position = firstPosition + i;
      const epoch = Math.floor(position / this.rows);
      if (epoch !== this.epoch) {
        this.order = randomStream(this.seed, `epoch-${epoch}`).permutation(this.rows);
        this.epoch = epoch;
      }
      out[i] = this.order[position % this.rows] as number;
    }
  }
}
