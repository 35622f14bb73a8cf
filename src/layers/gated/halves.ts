/**
 * A gated layer has rows a and b. Each block holds both halves of its own, [a_j; b_j]; as one matrix
 * all a stand above all b. Rows are contiguous, so that this is about numbers alone.
 */

/** [a_0; b_0; a_1; b_1; …] → [a_0; a_1; …; b_0; b_1; …]. @param parts that have both halves */
export function gatherHalves(values: Float32Array, parts: number): Float32Array {
  return moved(values, parts, (half, part) => [2 * part + half, half * parts + part]);
}

/** The other way round. */
export function scatterHalves(values: Float32Array, parts: number): Float32Array {
  return moved(values, parts, (half, part) => [half * parts + part, 2 * part + half]);
}

function moved(
  values: Float32Array,
  parts: number,
  places: (half: number, part: number) => [from: number, to: number],
): Float32Array {
  const size = values.length / (2 * parts);
  const out = new Float32Array(values.length);
  for (let part = 0; part < parts; part++) {
    for (const half of [0, 1]) {
      const [from, to] = places(half, part);
      out.set(values.subarray(from * size, (from + 1) * size), to * size);
    }
  }
  return out;
}
