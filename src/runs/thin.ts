/** The extremes of each of so many parts of a curve, in their order: its shape stays. */
export function thin<P extends { readonly y: number }>(points: readonly P[], most: number): P[] {
  if (points.length <= most) return [...points];
  const size = Math.ceil((2 * points.length) / most);
  const kept = new Set<P | undefined>([points[0], points.at(-1)]);
  for (let from = 0; from < points.length; from += size) {
    const part = points.slice(from, from + size);
    kept.add(part.reduce((least, point) => (point.y < least.y ? point : least)));
    kept.add(part.reduce((top, point) => (point.y > top.y ? point : top)));
  }
  return points.filter((point) => kept.has(point));
}
