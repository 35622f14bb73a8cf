/**
 * A gated layer has rows a and b. Each block holds both halves of its own, [a_j; b_j]; as one matrix
 * all a stand above all b: [a_0; b_0; a_1; b_1; …] → [a_0; a_1; …; b_0; b_1; …]. Rows are contiguous, so
 * that this is about numbers alone.
 *
 * @param parts that have both halves
 */
export function gatherHalves(values: Float32Array, parts: number): Float32Array {
  const size = values.length / (2 * parts);
  const out = new Float32Array(values.length);
  for (let part = 0; part < parts; part++) {
    const [a, b] = [2 * part * size, (2 * part + 1) * size];
    out.set(values.subarray(a, b), part * size);
    out.set(values.subarray(b, b + size), (parts + part) * size);
  }
  return out;
}
