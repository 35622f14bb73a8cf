import type { RowStore } from './row-store.js';

/** A column of numbers in a row. */
export interface NumberPlace {
  readonly place: number;
  /** Whether the float behind it is 1 in rows without a value. */
  readonly gaps: boolean;
}

/** A value of a column as far as known: its first bits, and how many of those with the same ones lie
 * before it. */
interface Found {
  readonly prefix: number;
  readonly rank: number;
}

/** Bits of a key that a pass over the rows counts by, from the first. */
const LEVELS = [
  { bits: 11, shift: 21 },
  { bits: 11, shift: 10 },
  { bits: 10, shift: 0 },
] as const;

/** Counters, each of 8 KiB, that may be in memory at a time. */
const MOST_COUNTERS = 4096;

/** Medians of columns, gaps left out; 0 of a column of gaps. */
export function mediansOf(store: RowStore, places: readonly number[]): number[] {
  const columns = places.map((place) => ({ place, gaps: false }));
  const middles = (count: number) =>
    count % 2 === 1 ? [count >> 1] : count === 0 ? [] : [count / 2 - 1, count / 2];
  return orderStatistics(store, columns, 2, middles).map((values) =>
    values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length,
  );
}

/**
 * The values of some ranks in each column, gaps left out. Memory does not depend on the rows: values
 * are counted by their first bits, then those that share them with a wanted one by the bits behind.
 *
 * @param most ranks of a column
 * @param ranksOf the ranks, from 0, of a column with so many values
 */
export function orderStatistics(
  store: RowStore,
  columns: readonly NumberPlace[],
  most: number,
  ranksOf: (count: number) => readonly number[],
): number[][] {
  const together = Math.max(1, Math.floor(MOST_COUNTERS / most));
  const values: number[][] = [];
  for (let first = 0; first < columns.length; first += together) {
    values.push(...select(store, columns.slice(first, first + together), ranksOf));
  }
  return values;
}

function select(
  store: RowStore,
  columns: readonly NumberPlace[],
  ranksOf: (count: number) => readonly number[],
): number[][] {
  let found: Found[][] = columns.map(() => [{ prefix: 0, rank: 0 }]);
  for (const [level, { bits, shift }] of LEVELS.entries()) {
    const [digits, span] = [2 ** bits, 2 ** (bits + shift)];
    const counters = found.map(
      (own) => new Map(own.map(({ prefix }) => [prefix, new Uint32Array(digits)])),
    );
    eachKey(store, columns, (column, key) => {
      const counts = counters[column]?.get(Math.floor(key / span));
      if (counts === undefined) return;
      const digit = (key >>> shift) & (digits - 1);
      counts[digit] = (counts[digit] as number) + 1;
    });
    found = found.map((own, column) => {
      const countsOf = (prefix: number) => counters[column]?.get(prefix) as Uint32Array;
      const wanted = level === 0 ? firstOf(countsOf(0), ranksOf) : own;
      return wanted.map(({ prefix, rank }) => {
        const at = digitAt(countsOf(prefix), rank);
        return { prefix: prefix * digits + at.digit, rank: at.rank };
      });
    });
  }
  return found.map((own) => own.map(({ prefix }) => valueOf(prefix)));
}

function firstOf(counts: Uint32Array, ranksOf: (count: number) => readonly number[]): Found[] {
  const count = counts.reduce((sum, own) => sum + own, 0);
  return ranksOf(count).map((rank) => ({ prefix: 0, rank }));
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
  columns: readonly NumberPlace[],
  use: (column: number, key: number) => void,
): void {
  store.forEachPiece((rows) => {
    const bits = new Int32Array(rows.buffer, rows.byteOffset, rows.length);
    for (const [column, { place, gaps }] of columns.entries()) {
      for (let i = place; i < rows.length; i += store.width) {
        if (Number.isNaN(rows[i]) || (gaps && rows[i + 1] === 1)) continue;
        const own = bits[i] as number;
        use(column, (own < 0 ? ~own : own | SIGN) >>> 0);
      }
    }
  });
}

const SIGN = -(2 ** 31);

function valueOf(key: number): number {
  const own = key >= 2 ** 31 ? key ^ SIGN : ~key;
  return new Float32Array(Int32Array.of(own).buffer)[0] as number;
}
