/**
 * Area under the receiver operating characteristic: the probability that a positive row scores
 * higher than a negative one; ties count half.
 *
 * @param scores [rows]
 * @param positive [rows], 1 or 0
 * @returns NaN without a positive or a negative row
 */
export function areaUnderRoc(scores: Float64Array, positive: Uint8Array): number {
  const order = Uint32Array.from(scores, (_, i) => i).toSorted(
    (a, b) => (scores[a] as number) - (scores[b] as number),
  );
  let ranks = 0;
  let positives = 0;
  for (let first = 0; first < order.length;) {
    let last = first;
    const score = scores[order[first] as number];
    while (last + 1 < order.length && scores[order[last + 1] as number] === score) last++;
    // Ranks count from 1; equal scores share their mean.
    const rank = (first + last) / 2 + 1;
    for (let i = first; i <= last; i++) {
      if (positive[order[i] as number] === 0) continue;
      ranks += rank;
      positives++;
    }
    first = last + 1;
  }
  const negatives = order.length - positives;
  return (ranks - (positives * (positives + 1)) / 2) / (positives * negatives);
}
