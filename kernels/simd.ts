// What every kernel shares: fused multiply-add where it was asked for, the last few elements of
// an array, sums across a vector, and float64 sums of float32 vectors.

/** a · b + c, rounded once in the relaxed build where the processor can, else twice. */
// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  // @ts-ignore: RELAXED is an integer constant of the compilation
  return RELAXED ? f32x4.relaxed_madd(a, b, c) : f32x4.add(f32x4.mul(a, b), c);
}

/** `count` (1 … 3) elements, then zeros. */
// @ts-ignore: decorator
@inline
export function loadSome(from: usize, count: usize): v128 {
  let v = v128.load32_zero(from);
  if (count > 1) v = f32x4.replace_lane(v, 1, load<f32>(from, 4));
  if (count > 2) v = f32x4.replace_lane(v, 2, load<f32>(from, 8));
  return v;
}

/** The first `count` (1 … 3) lanes. */
// @ts-ignore: decorator
@inline
export function storeSome(to: usize, v: v128, count: usize): void {
  store<f32>(to, f32x4.extract_lane(v, 0));
  if (count > 1) store<f32>(to, f32x4.extract_lane(v, 1), 4);
  if (count > 2) store<f32>(to, f32x4.extract_lane(v, 2), 8);
}

// @ts-ignore: decorator
@inline
export function sumLanes(v: v128): f32 {
  return (
    f32x4.extract_lane(v, 0) +
    f32x4.extract_lane(v, 1) +
    (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3))
  );
}

// @ts-ignore: decorator
@inline
export function sumLanes64(v: v128): f64 {
  return f64x2.extract_lane(v, 0) + f64x2.extract_lane(v, 1);
}

/** sums + v² in float64: lanes 0 and 2 meet in the first sum, 1 and 3 in the second. */
// @ts-ignore: decorator
@inline
export function addSquares(sums: v128, v: v128): v128 {
  const low = f64x2.promote_low_f32x4(v);
  const high = f64x2.promote_low_f32x4(v128.shuffle<f32>(v, v, 2, 3, 2, 3));
  return f64x2.add(sums, f64x2.add(f64x2.mul(low, low), f64x2.mul(high, high)));
}
