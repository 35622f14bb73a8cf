import { loadSome, madd, storeSome } from './simd';

// Kernels of whole columns: sums down each, and a factor for each. Columns lie side by side, rows
// one after another.

/** Added to the mean square of a column before its root is taken. */
const EPSILON: f64 = 1e-6;

/** out[c] = Σ over rows of a · b, in float64; a and b may be the same. */
export function columnDots(a: usize, b: usize, out: usize, rows: u32, columns: u32): void {
  const stride: usize = (<usize>columns) << 2;
  const whole: usize = stride & ~15;
  let i: usize = 0;
  for (; i < whole; i += 16) {
    let low = f64x2.splat(0);
    let high = f64x2.splat(0);
    let at = i;
    for (let row = rows; row; row--, at += stride) {
      const x = v128.load(a + at);
      const y = v128.load(b + at);
      low = f64x2.add(low, f64x2.mul(f64x2.promote_low_f32x4(x), f64x2.promote_low_f32x4(y)));
      const x2 = f64x2.promote_low_f32x4(v128.shuffle<f32>(x, x, 2, 3, 2, 3));
      const y2 = f64x2.promote_low_f32x4(v128.shuffle<f32>(y, y, 2, 3, 2, 3));
      high = f64x2.add(high, f64x2.mul(x2, y2));
    }
    const first = f32x4.demote_f64x2_zero(low);
    const second = f32x4.demote_f64x2_zero(high);
    v128.store(out + i, v128.shuffle<f32>(first, second, 0, 1, 4, 5));
  }
  for (; i < stride; i += 4) {
    let sum: f64 = 0;
    let at = i;
    for (let row = rows; row; row--, at += stride) {
      sum += <f64>load<f32>(a + at) * <f64>load<f32>(b + at);
    }
    store<f32>(out + i, <f32>sum);
  }
}

/** out = x · factors[c]; out may be x. */
export function scaleColumns(x: usize, factors: usize, out: usize, rows: u32, columns: u32): void {
  const some = <usize>columns & 3;
  const whole: usize = ((<usize>columns) << 2) & ~15;
  for (; rows; rows--) {
    let i: usize = 0;
    for (; i < whole; i += 16) {
      v128.store(out + i, f32x4.mul(v128.load(x + i), v128.load(factors + i)));
    }
    if (some) {
      storeSome(out + i, f32x4.mul(loadSome(x + i, some), loadSome(factors + i, some)), some);
    }
    x += (<usize>columns) << 2;
    out += (<usize>columns) << 2;
  }
}

/** y += x · factors[c] */
export function addScaledColumns(
  x: usize,
  factors: usize,
  y: usize,
  rows: u32,
  columns: u32,
): void {
  const some = <usize>columns & 3;
  const whole: usize = ((<usize>columns) << 2) & ~15;
  for (; rows; rows--) {
    let i: usize = 0;
    for (; i < whole; i += 16) {
      v128.store(y + i, madd(v128.load(x + i), v128.load(factors + i), v128.load(y + i)));
    }
    if (some) {
      const sum = madd(loadSome(x + i, some), loadSome(factors + i, some), loadSome(y + i, some));
      storeSome(y + i, sum, some);
    }
    x += (<usize>columns) << 2;
    y += (<usize>columns) << 2;
  }
}

/** out[c] = 1 / √(Σ over parts of sums / count + ε), in float64. */
export function inverseRms(sums: usize, out: usize, parts: u32, columns: u32, count: f64): void {
  const stride: usize = (<usize>columns) << 2;
  for (let i: usize = 0; i < stride; i += 4) {
    let sum: f64 = 0;
    let at = sums + i;
    for (let part = parts; part; part--, at += stride) sum += <f64>load<f32>(at);
    store<f32>(out + i, <f32>(1.0 / sqrt<f64>(sum / count + EPSILON)));
  }
}

/** out[c] = −dots · inverse³ / count, in float64. */
export function rmsCorrection(
  dots: usize,
  inverse: usize,
  out: usize,
  columns: u32,
  count: f64,
): void {
  const end: usize = (<usize>columns) << 2;
  for (let i: usize = 0; i < end; i += 4) {
    const r = <f64>load<f32>(inverse + i);
    store<f32>(out + i, <f32>((-(<f64>load<f32>(dots + i)) * r * r * r) / count));
  }
}
