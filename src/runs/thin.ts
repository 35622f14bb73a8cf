/** The extremes of each of so many parts of a curve, in their order: its shape stays. */
export function thin<P extends { readonly y: number }>(points: readonly P[], most: number): P[] {
  const values = points.map(({ y }) => y);
  return thinPlaces(values, most).flatMap((place) => points[place] ?? []);
}

/** Places of what `thin` keeps. */
export function thinPlaces(values: readonly number[], most: number): number[] {
  if (values.length <= most) return values.map((_, place) => place);
  const size = Math.ceil((2 * values.length) / most);
  const kept = [0];
  let last = 0;
  const keep = (place: number) => {
    if (place > last) kept.push((last = place));
  };
  for (let from = 0; from < values.length; from += size) {
    let [least, top] = [from, from];
    for (let i = from + 1; i < Math.min(from + size, values.length); i++) {
      const value = values[i] ?? Number.NaN;
      if (value < (values[least] ?? Number.NaN)) least = i;
      if (value > (values[top] ?? Number.NaN)) top = i;
    }
    keep(Math.min(least, top));
    keep(Math.max(least, top));
  }
  keep(values.length - 1);
  return kept;
}
