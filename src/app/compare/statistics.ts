import { median } from '../../base/median.js';

/** A median and the ends of its values. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** Null where nothing is known of one of the values. */
export function spreadOf(values: readonly (number | null)[]): Spread | null {
  const known = values.filter((value) => value !== null);
  const middle = median(known);
  if (middle === null || known.length !== values.length) return null;
  return { median: middle, low: Math.min(...known), high: Math.max(...known) };
}

/** Ratios of values that were measured one after the other, pair by pair. */
export function ratiosOf(
  values: readonly (number | null)[],
  baseline: readonly (number | null)[],
): Spread | null {
  if (values.length !== baseline.length) return null;
  return spreadOf(
    values.map((value, i) => {
      const base = baseline[i] ?? null;
      return value === null || base === null || base === 0 ? null : value / base;
    }),
  );
}
