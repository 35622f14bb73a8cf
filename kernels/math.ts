import { madd } from './simd';

// Functions of four float32 values. No tables: static data would be written again over a shared
// memory by every instantiation. NaN gives NaN.

// @ts-ignore: decorator
@inline
function constant(x: f32): v128 {
  return f32x4.splat(x);
}

/** eˣ within 1 unit in the last place; results below 2.4e-38 are zero, since subnormal numbers
 * cost a hundred times as much to work on. */
// @ts-ignore: decorator
@inline
export function exp(x: v128): v128 {
  const lowest = constant(-86.6);
  // Past these ends the result is infinite or zero in any case.
  const result = expBetween(f32x4.pmax(f32x4.pmin(x, constant(89)), lowest));
  return v128.andnot(result, f32x4.lt(x, lowest));
}

/** eˣ for −86.6 ≤ x ≤ 89. The reduction and the polynomial of degree 5 are those of Cephes'
 * expf. */
// @ts-ignore: decorator
@inline
function expBetween(x: v128): v128 {
  // Adding 1.5 · 2²³ rounds to an integer n, and leaves it in the low bits of the sum.
  const magic = constant(12582912);
  const shifted = f32x4.add(f32x4.mul(x, constant(1.44269504)), magic);
  const n = f32x4.sub(shifted, magic);
  // ln 2 in two parts, the first with so few bits that n · it is exact.
  let r = f32x4.sub(x, f32x4.mul(n, constant(0.693359375)));
  r = f32x4.add(r, f32x4.mul(n, constant(2.12194440e-4)));
  let p = constant(1.9875691500e-4);
  p = madd(p, r, constant(1.3981999507e-3));
  p = madd(p, r, constant(8.3334519073e-3));
  p = madd(p, r, constant(4.1665795894e-2));
  p = madd(p, r, constant(1.6666665459e-1));
  p = madd(p, r, constant(5.0000001201e-1));
  p = f32x4.add(madd(p, f32x4.mul(r, r), r), constant(1));
  // 2p · 2ⁿ⁻¹: n can be 128, which no float32 has for its exponent.
  const scale = i32x4.add(i32x4.shl(shifted, 23), i32x4.splat(126 << 23));
  return f32x4.mul(f32x4.add(p, p), scale);
}

/** 1 / (1 + e⁻ˣ) */
// @ts-ignore: decorator
@inline
export function sigmoid(x: v128): v128 {
  const one = constant(1);
  return f32x4.div(one, f32x4.add(one, exp(f32x4.neg(x))));
}

/** tanh within 2 units in the last place: 1 − 2 / (e²ˣ + 1), and near zero, where that cancels,
 * the odd polynomial of Cephes' tanhf. */
// @ts-ignore: decorator
@inline
export function tanh(x: v128): v128 {
  const sign = v128.and(x, i32x4.splat(0x80000000));
  const t = f32x4.abs(x);
  const one = constant(1);
  // Past 44 it is 1 in any case.
  const e = expBetween(f32x4.pmin(f32x4.add(t, t), constant(88)));
  const far = f32x4.sub(one, f32x4.div(constant(2), f32x4.add(e, one)));
  const t2 = f32x4.mul(t, t);
  let p = constant(-5.70498872745e-3);
  p = madd(p, t2, constant(2.06390887954e-2));
  p = madd(p, t2, constant(-5.37397155531e-2));
  p = madd(p, t2, constant(1.33314422036e-1));
  p = madd(p, t2, constant(-3.33332819422e-1));
  const near = madd(f32x4.mul(p, t2), t, t);
  return v128.or(sign, v128.bitselect(far, near, f32x4.ge(t, constant(0.625))));
}

/** eˣ − 1 for x ≤ 0, which does not cancel near zero: 2t / (1 − t) with t = tanh(x/2). */
// @ts-ignore: decorator
@inline
export function expMinusOne(x: v128): v128 {
  const t = tanh(f32x4.mul(x, constant(0.5)));
  return f32x4.div(f32x4.add(t, t), f32x4.sub(constant(1), t));
}

/** sin x, absolute error below 1e-6 for |x| ≤ 10,000; farther out only within −1 … 1. */
// @ts-ignore: decorator
@inline
export function sine(x: v128): v128 {
  return shiftedSine(x, constant(0));
}

/** cos x, likewise. */
// @ts-ignore: decorator
@inline
export function cosine(x: v128): v128 {
  return shiftedSine(x, constant(0.5));
}

/** sin(x + shift · π): with an integer m, (−1)ᵐ sin(x − (m − shift) · π). π in four parts, the
 * first with so few bits that its products are exact, and the polynomial are those of SLEEF's sinf
 * (github.com/shibatch/sleef). */
// @ts-ignore: decorator
@inline
function shiftedSine(x: v128, shift: v128): v128 {
  // Adding 1.5 · 2²³ rounds to an integer m, and leaves its parity in the lowest bit of the sum.
  const magic = constant(12582912);
  const shifted = f32x4.add(f32x4.add(f32x4.mul(x, constant(0.318309886)), shift), magic);
  const turns = f32x4.sub(f32x4.sub(shifted, magic), shift);
  let r = f32x4.sub(x, f32x4.mul(turns, constant(3.140625)));
  r = f32x4.sub(r, f32x4.mul(turns, constant(9.67025756835937500e-4)));
  r = f32x4.sub(r, f32x4.mul(turns, constant(6.27711415290832520e-7)));
  r = f32x4.sub(r, f32x4.mul(turns, constant(1.21542012565534208e-10)));
  // Where x is so large that the difference means nothing.
  r = f32x4.pmax(f32x4.pmin(r, constant(1.5707964)), constant(-1.5707964));
  const r2 = f32x4.mul(r, r);
  let p = constant(2.60831598097e-6);
  p = madd(p, r2, constant(-1.98106907192e-4));
  p = madd(p, r2, constant(8.33307858557e-3));
  p = madd(p, r2, constant(-1.66666597127e-1));
  const result = madd(p, f32x4.mul(r2, r), r);
  return v128.xor(result, i32x4.shl(shifted, 31));
}

/** Φ(x), the normal distribution function, that is (1 + erf(x/√2)) / 2; absolute error below
 * 1e-7, and on the left relative error below 1e-4 down to x = −5. Φ(−t) is e^(−t²/2) times a
 * function that falls slowly from 1/2 (Mills' ratio over √2π): of that a rational function with
 * positive coefficients, fitted to 1.2e-9 of it, loses no digits to cancellation. */
// @ts-ignore: decorator
@inline
export function normalDistribution(x: v128): v128 {
  // Farther out the tail is below 1e-37: zero.
  const end = constant(12.8);
  const t = f32x4.pmin(f32x4.abs(x), end);
  let p = constant(0.011525444);
  p = madd(p, t, constant(0.09468823));
  p = madd(p, t, constant(0.31604896));
  p = madd(p, t, constant(0.5));
  let q = constant(0.028920772);
  q = madd(q, t, constant(0.23651771));
  q = madd(q, t, constant(0.8303406));
  q = madd(q, t, constant(1.42998226));
  q = madd(q, t, constant(1));
  const falling = expBetween(f32x4.mul(f32x4.mul(t, t), constant(-0.5)));
  const tail = v128.andnot(f32x4.mul(falling, f32x4.div(p, q)), f32x4.ge(t, end));
  return v128.bitselect(tail, f32x4.sub(constant(1), tail), f32x4.lt(x, constant(0)));
}

/** The natural logarithm of a positive number, within 1 unit in the last place of float64;
 * reduction and polynomial of fdlibm's e_log.c. Zero gives −∞, NaN and infinity themselves. */
export function log(x: f64): f64 {
  if (x == 0) return -Infinity;
  if (!(x < Infinity)) return x;
  let bits = reinterpret<u64>(x);
  let k: i32 = 0;
  if (bits < 0x0010000000000000) {
    bits = reinterpret<u64>(x * 18014398509481984.0);
    k = -54;
  }
  // Mantissa between √½ and √2.
  const high = <u32>(bits >> 32) + (0x3ff00000 - 0x3fe6a09e);
  k += <i32>(high >> 20) - 1023;
  const mantissa = (<u64>((high & 0xfffff) + 0x3fe6a09e) << 32) | (bits & 0xffffffff);
  const f = reinterpret<f64>(mantissa) - 1;
  const s = f / (2 + f);
  const z = s * s;
  let r = 1.479819860511658591e-1;
  r = r * z + 1.531383769920937332e-1;
  r = r * z + 1.818357216161805012e-1;
  r = r * z + 2.222219843214978396e-1;
  r = r * z + 2.857142874366239149e-1;
  r = r * z + 3.999999999940941908e-1;
  r = r * z + 6.666666666666735130e-1;
  const half = 0.5 * f * f;
  const n = <f64>k;
  return s * (half + z * r) + n * 1.90821492927058770002e-10 - half + f + n * 6.93147180369123816490e-1;
}
