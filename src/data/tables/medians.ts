import type { RowStore } from './row-store.js';

const DIGITS = 1 << 16;

/** One of the middle values of a column: how many lie before it, and its bits as far as known. */
interface Middle {
  rank: number;
  high: number;
  counts: Uint32Array;
}

/**
 * Medians of columns, gaps left out; 0 of a column of gaps. Memory does not depend on the rows: values
 * are counted by the upper half of their bits, then those of the middle one's by the lower half.
 *
 * @param places of the columns in a row
 */
export function mediansOf(store: RowStore, places: readonly number[]): number[] {
  if (places.length === 0) return [];
  const upper = places.map(() => new Uint32Array(DIGITS));
  eachKey(store, places, (column, key) => {
    const counts = upper[column] as Uint32Array;
    const digit = key >>> 16;
    counts[digit] = (counts[digit] as number) + 1;
  });
  const middles = upper.map((counts) => {
    const count = counts.reduce((sum, own) => sum + own, 0);
    const ranks = count % 2 === 1 ? [count >> 1] : count === 0 ? [] : [count / 2 - 1, count / 2];
    return ranks.map((whole): Middle => {
      const { digit: high, rank } = digitAt(counts, whole);
      return { rank, high, counts: new Uint32Array(DIGITS) };
    });
  });
  eachKey(store, places, (column, key) => {
    for (const { high, counts } of middles[column] as Middle[]) {
      if (key >>> 16 !== high) continue;
      const digit = key & (DIGITS - 1);
      counts[digit] = (counts[digit] as number) + 1;
    }
  });
  return middles.map((own) => {
    const values = own.map(({ rank, high, counts }) => valueOf(high, digitAt(counts, rank).digit));
    return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
  });
}

/** The digit of the value of a rank, and its rank among the values of that digit. */
function digitAt(counts: Uint32Array, rank: number): { digit: number; rank: number } {
  let digit = 0;
  let left = rank;
  while (left >= (counts[digit] as number)) left -= counts[digit++] as number;
  return { digit, rank: left };
}

/** Bits of float32 values as integers of the same order. */
function eachKey(
  store: RowStore,
  places: readonly number[],
  use: (column: number, key: number) => void,
): void {
  store.forEachPiece((rows) => {
    const bits = new Int32Array(rows.buffer, rows.byteOffset, rows.length);
    for (const [column, place] of places.entries()) {
      for (let i = place; i < rows.length; i += store.width) {
        if (Number.isNaN(rows[i])) continue;
        const own = bits[i] as number;
        use(column, (own < 0 ? ~own : own | SIGN) >>> 0);
      }
    }
  });
}

const SIGN = -(2 ** 31);

function valueOf(high: number, low: number): number {
  const key = ((high << 16) | low) >>> 0;
  const own = key >= 2 ** 31 ? key ^ SIGN : ~key;
  return new Float32Array(Int32Array.of(own).buffer)[0] as number;
}
