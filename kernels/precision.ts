// Rows of float32 numbers as bfloat16, and as bytes with a scale a row, and back. Addresses in
// bytes; they need no alignment.

/** Rows whose largest number is below this are written as zeros: 127 divided by it still fits a
 * float32. */
const SMALLEST: f32 = 1e-36;

/** Rounds to nearest, ties to even; NaN stays NaN. */
export function encodeBfloat16(from: usize, to: usize, count: u32): void {
  const whole = count & ~7;
  let i: u32 = 0;
  for (; i < whole; i += 8) {
    const low = upperHalves(v128.load(from + (<usize>i << 2)));
    const high = upperHalves(v128.load(from + (<usize>i << 2), 16));
    v128.store(to + (<usize>i << 1), i16x8.narrow_i32x4_u(low, high));
  }
  for (; i < count; i++) {
    const half = upperHalves(v128.load32_zero(from + (<usize>i << 2)));
    store<u16>(to + (<usize>i << 1), <u16>i32x4.extract_lane(half, 0));
  }
}

/** Each float32's rounded upper half, in the lower half of its lane. */
// @ts-ignore: decorator
@inline
function upperHalves(v: v128): v128 {
  const odd = v128.and(i32x4.shr_u(v, 16), i32x4.splat(1));
  const rounded = i32x4.shr_u(i32x4.add(v, i32x4.add(odd, i32x4.splat(0x7fff))), 16);
  const quiet = v128.or(i32x4.shr_u(v, 16), i32x4.splat(0x40));
  return v128.bitselect(quiet, rounded, f32x4.ne(v, v));
}

export function decodeBfloat16(from: usize, to: usize, count: u32): void {
  const whole = count & ~7;
  let i: u32 = 0;
  for (; i < whole; i += 8) {
    const halves = v128.load(from + (<usize>i << 1));
    const zero = i32x4.splat(0);
    const low = v128.shuffle<i16>(zero, halves, 0, 8, 1, 9, 2, 10, 3, 11);
    const high = v128.shuffle<i16>(zero, halves, 4, 12, 5, 13, 6, 14, 7, 15);
    v128.store(to + (<usize>i << 2), low);
    v128.store(to + (<usize>i << 2), high, 16);
  }
  for (; i < count; i++) {
    store<u32>(to + (<usize>i << 2), <u32>load<u16>(from + (<usize>i << 1)) << 16);
  }
}

/** Rows of bfloat16 numbers, `stride` apart, to float32 ones without gaps. */
export function widenRows(from: usize, stride: u32, rows: u32, columns: u32, to: usize): void {
  for (; rows; rows--) {
    decodeBfloat16(from, to, columns);
    from += <usize>stride << 1;
    to += <usize>columns << 2;
  }
}

/** A row that holds a number that is not finite gets such a scale, and decodes to none that is. */
export function encodeInt8(from: usize, to: usize, rows: u32, columns: u32): void {
  for (let row: u32 = 0; row < rows; row++) {
    const largest = largestMagnitude(from, columns);
    const zero = largest < SMALLEST;
    store<f32>(to, zero ? 0 : largest / 127);
    const factor: f32 = zero ? 0 : 127 / largest;
    encodeRow(from, to + 4, columns, factor);
    from += <usize>columns << 2;
    to += 4 + <usize>columns;
  }
}

/** By the bits, whose order is that of magnitudes, with NaN above infinity. */
function largestMagnitude(from: usize, count: u32): f32 {
  const magnitude = i32x4.splat(0x7fffffff);
  const whole = count & ~3;
  let largest = i32x4.splat(0);
  let i: u32 = 0;
  for (; i < whole; i += 4) {
    const bits = v128.and(v128.load(from + (<usize>i << 2)), magnitude);
    largest = i32x4.max_s(largest, bits);
  }
  for (; i < count; i++) {
    const bits = v128.and(v128.load32_zero(from + (<usize>i << 2)), magnitude);
    largest = i32x4.max_s(largest, bits);
  }
  const first = max(i32x4.extract_lane(largest, 0), i32x4.extract_lane(largest, 1));
  const second = max(i32x4.extract_lane(largest, 2), i32x4.extract_lane(largest, 3));
  return reinterpret<f32>(max(first, second));
}

function encodeRow(from: usize, to: usize, count: u32, factor: f32): void {
  const whole = count & ~15;
  let i: u32 = 0;
  for (; i < whole; i += 16) {
    const at = from + (<usize>i << 2);
    const a = i16x8.narrow_i32x4_s(rounded(v128.load(at), factor), rounded(v128.load(at, 16), factor));
    const b = i16x8.narrow_i32x4_s(
      rounded(v128.load(at, 32), factor),
      rounded(v128.load(at, 48), factor),
    );
    v128.store(to + i, i8x16.narrow_i16x8_s(a, b));
  }
  for (; i < count; i++) {
    const value = rounded(v128.load32_zero(from + (<usize>i << 2)), factor);
    store<i8>(to + i, <i8>i32x4.extract_lane(value, 0));
  }
}

// @ts-ignore: decorator
@inline
function rounded(v: v128, factor: f32): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v, f32x4.splat(factor))));
}

export function decodeInt8(from: usize, to: usize, rows: u32, columns: u32): void {
  for (let row: u32 = 0; row < rows; row++) {
    const scale = load<f32>(from);
    from += 4;
    decodeRow(from, to, columns, scale);
    from += <usize>columns;
    to += <usize>columns << 2;
  }
}

function decodeRow(from: usize, to: usize, count: u32, scale: f32): void {
  const whole = count & ~7;
  const factor = f32x4.splat(scale);
  let i: u32 = 0;
  for (; i < whole; i += 8) {
    const words = v128.load8x8_s(from + i);
    const low = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(words));
    const high = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(words));
    v128.store(to + (<usize>i << 2), f32x4.mul(factor, low));
    v128.store(to + (<usize>i << 2), f32x4.mul(factor, high), 16);
  }
  for (; i < count; i++) store<f32>(to + (<usize>i << 2), scale * <f32>load<i8>(from + i));
}
