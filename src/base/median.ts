/** The middle value, or the mean of the two; null of none. */
export function median(values: readonly number[] | Float64Array): number | null {
  const sorted = Float64Array.from(values).toSorted();
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return low === undefined || high === undefined ? null : (low + high) / 2;
}
