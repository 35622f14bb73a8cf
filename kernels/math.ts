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

/** x / (1 + e⁻ˣ) within 4 units in the last place for x ≥ −86; farther left it stays at −4e-36. */
// @ts-ignore: decorator
@inline
export function silu(x: v128): v128 {
  const t = f32x4.pmax(x, constant(-86));
  return f32x4.div(t, onePlusExpOfMinus(t));
}

/** Its derivative. */
// @ts-ignore: decorator
@inline
export function siluSlope(x: v128): v128 {
  const one = constant(1);
  const t = f32x4.pmax(x, constant(-86));
  const s = f32x4.div(one, onePlusExpOfMinus(t));
  return f32x4.mul(s, madd(t, f32x4.sub(one, s), one));
}

/** 1 + e⁻ˣ for x ≥ −86 within 3 units in the last place: as `exp`, with a polynomial of degree 5,
 * fitted to 1e-7 of it, and in the order that has the shortest chain of operations. */
// @ts-ignore: decorator
@inline
function onePlusExpOfMinus(x: v128): v128 {
  // Past 86 the sum is 1 in any case.
  const t = f32x4.pmin(x, constant(86));
  const magic = constant(12582912);
  const shifted = f32x4.sub(magic, f32x4.mul(t, constant(1.44269504)));
  const n = f32x4.sub(magic, shifted);
  let r = f32x4.sub(f32x4.mul(n, constant(0.693359375)), t);
  r = f32x4.sub(r, f32x4.mul(n, constant(2.12194440e-4)));
  const r2 = f32x4.mul(r, r);
  const p0 = madd(constant(0.9999997), r, constant(1));
  const p1 = madd(constant(0.16667637), r, constant(0.4999915));
  const p2 = madd(constant(0.008290287), r, constant(0.041897975));
  const p = madd(madd(p2, r2, p1), r2, p0);
  return f32x4.add(i32x4.add(p, i32x4.shl(shifted, 23)), constant(1));
}

/** tanh within 4 units in the last place: (e²ˣ − 1) / (e²ˣ + 1). */
// @ts-ignore: decorator
@inline
export function tanh(x: v128): v128 {
  // Past 10 it is 1 in any case.
  const t = f32x4.pmax(f32x4.pmin(x, constant(10)), constant(-10));
  const e = powerMinusOne(f32x4.mul(t, constant(2.88539008)));
  return f32x4.div(e, f32x4.add(e, constant(2)));
}

/** eˣ − 1 for x ≤ 0 within 3 units in the last place. */
// @ts-ignore: decorator
@inline
export function expMinusOne(x: v128): v128 {
  return powerMinusOne(f32x4.mul(f32x4.pmax(x, constant(-20)), constant(1.44269504)));
}

/** 2ʸ − 1, which does not cancel near zero: with y = n + f it is 2ⁿ(2ᶠ − 1) + (2ⁿ − 1), and
 * 2ᶠ − 1 is f times a polynomial of degree 5, fitted to 1e-8 of it. */
// @ts-ignore: decorator
@inline
function powerMinusOne(y: v128): v128 {
  const magic = constant(12582912);
  const shifted = f32x4.add(y, magic);
  const f = f32x4.sub(y, f32x4.sub(shifted, magic));
  const f2 = f32x4.mul(f, f);
  const p0 = madd(constant(2.4022649e-1), f, constant(6.931472e-1));
  const p1 = madd(constant(9.618238e-3), f, constant(5.5503573e-2));
  const p2 = madd(constant(1.5403498e-4), f, constant(1.3390738e-3));
  const p = f32x4.mul(f, madd(madd(p2, f2, p1), f2, p0));
  const scale = i32x4.add(i32x4.shl(shifted, 23), i32x4.splat(127 << 23));
  return madd(scale, p, f32x4.sub(scale, constant(1)));
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

/** x · Φ(x), where Φ is the normal distribution function (1 + erf(x/√2)) / 2; error below
 * 1e-7 · max(1, |x|), and on the left relative error below 1e-4 down to x = −5. With t = |x| it is
 * max(x, 0) − t · Φ(−t). Φ(−t) is e^(−t²/2) times a function that falls slowly from 1/2 (Mills'
 * ratio over √2π): of that a rational function with positive coefficients, fitted to 1.2e-9 of it,
 * loses no digits to cancellation. */
// @ts-ignore: decorator
@inline
export function gelu(x: v128): v128 {
  // Farther out the tail is below 1e-36.
  const t = f32x4.pmin(v128.and(x, i32x4.splat(0x7fffffff)), constant(12.8));
  const t2 = f32x4.mul(t, t);
  const ratio = f32x4.div(f32x4.mul(t, millsNumerator(t, t2)), millsDenominator(t, t2));
  const tail = f32x4.mul(bell(t2), ratio);
  return f32x4.sub(f32x4.pmax(x, constant(0)), tail);
}

/** Φ(x) + x · φ(x), with y = gelu(x): the quotient y / x is Φ; near zero, its first two terms. */
// @ts-ignore: decorator
@inline
export function geluSlope(x: v128, y: v128): v128 {
  const linear = madd(x, constant(0.39894228), constant(0.5));
  const small = f32x4.lt(v128.and(x, i32x4.splat(0x7fffffff)), constant(0.00390625));
  const distribution = v128.bitselect(linear, f32x4.div(y, x), small);
  const density = f32x4.mul(bell(f32x4.pmin(f32x4.mul(x, x), constant(163.84))), constant(0.39894228));
  return madd(x, density, distribution);
}

/** e^(−t²/2), given t² ≤ 164; its error relative to itself grows with t², while it falls. */
// @ts-ignore: decorator
@inline
function bell(t2: v128): v128 {
  const magic = constant(12582912);
  const y = f32x4.mul(t2, constant(-0.72134752));
  const shifted = f32x4.add(y, magic);
  const f = f32x4.sub(y, f32x4.sub(shifted, magic));
  const f2 = f32x4.mul(f, f);
  const p0 = madd(constant(0.693147), f, constant(1));
  const p1 = madd(constant(0.05550734), f, constant(0.24022242));
  const p2 = madd(constant(0.001326467), f, constant(0.009671534));
  const p = madd(madd(p2, f2, p1), f2, p0);
  return i32x4.add(p, i32x4.shl(shifted, 23));
}

// @ts-ignore: decorator
@inline
function millsNumerator(t: v128, t2: v128): v128 {
  const low = madd(constant(0.31604896), t, constant(0.5));
  return madd(madd(constant(0.011525444), t, constant(0.09468823)), t2, low);
}

// @ts-ignore: decorator
@inline
function millsDenominator(t: v128, t2: v128): v128 {
  const low = madd(constant(1.42998226), t, constant(1));
  const high = madd(constant(0.23651771), t, constant(0.8303406));
  return madd(madd(constant(0.028920772), t2, high), t2, low);
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
