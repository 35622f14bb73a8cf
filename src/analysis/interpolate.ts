import type { CollectiveTime, ProductForm, ProductTable, SizeTime } from '../machine/machine.js';

/** A place on an axis: between an index and the next. */
interface Place {
  readonly index: number;
  readonly share: number;
  /** How many times the axis's end a larger value is; else 1. */
  readonly beyond: number;
}

/** @param axis ascending, not empty */
function place(axis: readonly number[], value: number): Place {
  const last = axis.length - 1;
  const end = axis[last] ?? 1;
  if (value >= end) return { index: last, share: 0, beyond: value / end };
  if (value <= (axis[0] ?? 1)) return { index: 0, share: 0, beyond: 1 };
  const index = axis.findIndex((_, i) => value < (axis[i + 1] ?? Infinity));
  const [low, high] = [axis[index] ?? 1, axis[index + 1] ?? 1];
  return { index, share: Math.log(value / low) / Math.log(high / low), beyond: 1 };
}

/**
 * Seconds of a product, interpolated between measured sizes: the logarithm of the time is linear
 * in the logarithms of the sizes. Above the largest size the rate stays, below the smallest the
 * time.
 */
export function productSeconds(
  table: ProductTable,
  form: ProductForm,
  [first, second, batch]: readonly [first: number, second: number, batch: number],
): number {
  const seconds = table.seconds[form];
  const places = [
    place(table.first, first),
    place(table.second, second),
    place(table.batch, batch),
  ];
  const [, seconds2, batches] = [0, table.second.length, table.batch.length];
  let sum = 0;
  for (let corner = 0; corner < 8; corner++) {
    let weight = 1;
    const at = places.map(({ index, share }, axis) => {
      const upper = ((corner >> axis) & 1) === 1;
      weight *= upper ? share : 1 - share;
      return index + (upper ? 1 : 0);
    });
    if (weight === 0) continue;
    const [i = 0, j = 0, k = 0] = at;
    sum += weight * Math.log(seconds[(i * seconds2 + j) * batches + k] ?? Number.NaN);
  }
  return Math.exp(sum) * places.reduce((product, { beyond }) => product * beyond, 1);
}

/** The same along one axis. */
export function sizeSeconds(times: readonly SizeTime[], size: number): number {
  const { index, share, beyond } = place(
    times.map((time) => time.size),
    size,
  );
  const low = times[index]?.seconds ?? Number.NaN;
  const high = times[index + 1]?.seconds ?? low;
  return low ** (1 - share) * high ** share * beyond;
}

/** A collective's parts, linear in the bytes between measured sizes: an α and a β of each piece. */
export function collectiveSeconds(
  times: readonly CollectiveTime[],
  bytes: number,
): { startS: number; transferS: number; finishS: number } {
  const last = times.length - 1;
  const above = times.findIndex((time) => time.bytes >= bytes);
  const upper = above < 0 ? last : Math.max(above, 1);
  const [a, b] = [times[Math.max(upper - 1, 0)], times[upper]];
  if (a === undefined || b === undefined) return { startS: 0, transferS: 0, finishS: 0 };
  const share = a.bytes === b.bytes ? 0 : Math.max(0, (bytes - a.bytes) / (b.bytes - a.bytes));
  const between = (low: number, high: number) => Math.max(0, low + share * (high - low));
  return {
    startS: between(a.startS, b.startS),
    transferS: between(a.transferS, b.transferS),
    finishS: between(a.finishS, b.finishS),
  };
}
