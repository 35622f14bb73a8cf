import { addSquares, loadSome, madd, storeSome, sumLanes64 } from './simd';

// Kernels that read each element once and need no function of it. Addresses in bytes, counts in
// elements; vectors may lie at any address.

/** out = a + b; any two may be the same. */
export function add(a: usize, b: usize, out: usize, count: u32): void {
  const bytes: usize = (<usize>count) << 2;
  const whole: usize = bytes & ~63;
  let i: usize = 0;
  for (; i < whole; i += 64) {
    v128.store(out + i, f32x4.add(v128.load(a + i), v128.load(b + i)));
    v128.store(out + i, f32x4.add(v128.load(a + i, 16), v128.load(b + i, 16)), 16);
    v128.store(out + i, f32x4.add(v128.load(a + i, 32), v128.load(b + i, 32)), 32);
    v128.store(out + i, f32x4.add(v128.load(a + i, 48), v128.load(b + i, 48)), 48);
  }
  for (; i < bytes; i += 4) store<f32>(out + i, load<f32>(a + i) + load<f32>(b + i));
}

/** out = a · b; any two may be the same. */
export function multiply(a: usize, b: usize, out: usize, count: u32): void {
  const bytes: usize = (<usize>count) << 2;
  const whole: usize = bytes & ~15;
  let i: usize = 0;
  for (; i < whole; i += 16) {
    v128.store(out + i, f32x4.mul(v128.load(a + i), v128.load(b + i)));
  }
  for (; i < bytes; i += 4) store<f32>(out + i, load<f32>(a + i) * load<f32>(b + i));
}

/** y += alpha · x */
export function axpy(alpha: f32, x: usize, y: usize, count: u32): void {
  const bytes: usize = (<usize>count) << 2;
  const whole: usize = bytes & ~15;
  const factor = f32x4.splat(alpha);
  let i: usize = 0;
  for (; i < whole; i += 16) {
    v128.store(y + i, madd(factor, v128.load(x + i), v128.load(y + i)));
  }
  if (i < bytes) {
    const some = (bytes - i) >> 2;
    storeSome(y + i, madd(factor, loadSome(x + i, some), loadSome(y + i, some)), some);
  }
}

/** x *= alpha */
export function scale(alpha: f32, x: usize, count: u32): void {
  const end: usize = x + ((<usize>count) << 2);
  const whole: usize = end - ((<usize>count & 3) << 2);
  const factor = f32x4.splat(alpha);
  for (; x < whole; x += 16) v128.store(x, f32x4.mul(factor, v128.load(x)));
  for (; x < end; x += 4) store<f32>(x, alpha * load<f32>(x));
}

export function fill(x: usize, value: f32, count: u32): void {
  const end: usize = x + ((<usize>count) << 2);
  const whole: usize = end - ((<usize>count & 3) << 2);
  const values = f32x4.splat(value);
  for (; x < whole; x += 16) v128.store(x, values);
  for (; x < end; x += 4) store<f32>(x, value);
}

/** to = from; overlapping ranges behave as if copied through a third place. */
export function copy(from: usize, to: usize, count: u32): void {
  memory.copy(to, from, (<usize>count) << 2);
}

/** Σ x² in float64. */
export function sumOfSquares(x: usize, count: u32): f64 {
  const end: usize = x + ((<usize>count) << 2);
  const whole: usize = end - ((<usize>count & 7) << 2);
  // Two chains of sums: one would wait for its own additions.
  let even = f64x2.splat(0);
  let odd = f64x2.splat(0);
  for (; x < whole; x += 32) {
    even = addSquares(even, v128.load(x));
    odd = addSquares(odd, v128.load(x, 16));
  }
  let sum = sumLanes64(f64x2.add(even, odd));
  for (; x < end; x += 4) {
    const value = <f64>load<f32>(x);
    sum += value * value;
  }
  return sum;
}
