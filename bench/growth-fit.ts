/** How y grows with x: as x to a power, or to one power up to a place and to another from there on. */
export interface Growth {
  /** Below the bend, or everywhere. */
  readonly exponent: number;
  /** Where it bends, one of the places measured, and the exponent above; null: nowhere. */
  readonly bend: { readonly at: number; readonly exponent: number } | null;
}

/** Exponents that differ by less are not told apart. */
const APART = 0.2;

/**
 * Least squares on logarithms. A bend is one of the inner places, whichever leaves the least error; it
 * counts where the two exponents differ by more than 0.2 and the error is at most a quarter of that
 * without a bend.
 *
 * @param points positive, at least two places
 */
export function fitGrowth(points: readonly { readonly x: number; readonly y: number }[]): Growth {
  const logs = points
    .map(({ x, y }) => ({ x: Math.log(x), y: Math.log(y), at: x }))
    .toSorted((a, b) => a.x - b.x);
  const straight = leastSquares(
    logs.map(({ x }) => [1, x]),
    logs.map(({ y }) => y),
  );
  let best: { at: number; fit: Fit } | null = null;
  // Two points on either side of a bend, so that each exponent is more than one interval's.
  for (const { x: knee, at } of logs.slice(2, -2)) {
    const terms = logs.map(({ x }) => [1, x, Math.max(0, x - knee)]);
    const fit = leastSquares(
      terms,
      logs.map(({ y }) => y),
    );
    if (best === null || fit.error < best.fit.error) best = { at, fit };
  }
  const [, exponent = Number.NaN] = straight.factors;
  if (best === null) return { exponent, bend: null };
  const [, below = Number.NaN, more = Number.NaN] = best.fit.factors;
  if (Math.abs(more) < APART || best.fit.error > straight.error / 4)
    return { exponent, bend: null };
  return { exponent: below, bend: { at: best.at, exponent: below + more } };
}

interface Fit {
  readonly factors: readonly number[];
  /** Sum of squares. */
  readonly error: number;
}

/** The factors f with the least Σ (terms · f − y)², by the normal equations. */
function leastSquares(terms: readonly (readonly number[])[], y: readonly number[]): Fit {
  const size = terms[0]?.length ?? 0;
  const at = (row: readonly number[] | undefined, i: number) => row?.[i] ?? 0;
  const rows = Array.from({ length: size }, (_, i) => [
    ...Array.from({ length: size }, (__, j) =>
      terms.reduce((sum, term) => sum + at(term, i) * at(term, j), 0),
    ),
    terms.reduce((sum, term, k) => sum + at(term, i) * at(y, k), 0),
  ]);
  for (const [i, row] of rows.entries()) {
    const pivot = at(row, i);
    for (let j = i; j <= size; j++) row[j] = at(row, j) / pivot;
    for (const [k, other] of rows.entries()) {
      const factor = at(other, i);
      if (k !== i) for (let j = i; j <= size; j++) other[j] = at(other, j) - factor * at(row, j);
    }
  }
  const factors = rows.map((row) => at(row, size));
  const errors = terms.map(
    (term, k) => term.reduce((sum, value, i) => sum + value * at(factors, i), 0) - at(y, k),
  );
  return { factors, error: errors.reduce((sum, value) => sum + value * value, 0) };
}
