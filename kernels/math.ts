import { madd } from './simd';

// Functions of four float32 values. No tables: static data would be written again over a shared
// memory by every instantiation. NaN gives NaN.

// @ts-ignore: decorator
@inline
function constant(x: f32): v128 {
  return f32x4.splat(x);
}

/** eˣ within 2 units in the last place, subnormal results included. The reduction and the
 * polynomial of degree 5 are those of Cephes' expf. */
// @ts-ignore: decorator
@inline
export function exp(x: v128): v128 {
  // Past these ends the result is infinite or zero in any case.
  const clamped = f32x4.pmax(f32x4.pmin(x, constant(89)), constant(-104));
  const n = f32x4.nearest(f32x4.mul(clamped, constant(1.44269504)));
  // ln 2 in two parts, the first with so few bits that n · it is exact.
  let r = f32x4.sub(clamped, f32x4.mul(n, constant(0.693359375)));
  r = f32x4.add(r, f32x4.mul(n, constant(2.12194440e-4)));
  let p = constant(1.9875691500e-4);
  p = madd(p, r, constant(1.3981999507e-3));
  p = madd(p, r, constant(8.3334519073e-3));
  p = madd(p, r, constant(4.1665795894e-2));
  p = madd(p, r, constant(1.6666665459e-1));
  p = madd(p, r, constant(5.0000001201e-1));
  p = f32x4.add(madd(p, f32x4.mul(r, r), r), constant(1));
  // 2ⁿ as two factors, since n reaches from −150 to 128.
  const exponent = i32x4.trunc_sat_f32x4_s(n);
  const half = i32x4.shr_s(exponent, 1);
  const one = i32x4.splat(127);
  const first = i32x4.shl(i32x4.add(half, one), 23);
  const second = i32x4.shl(i32x4.add(i32x4.sub(exponent, half), one), 23);
  return f32x4.mul(f32x4.mul(p, first), second);
}

/** 1 / (1 + e⁻ˣ) */
// @ts-ignore: decorator
@inline
export function sigmoid(x: v128): v128 {
  const one = constant(1);
  return f32x4.div(one, f32x4.add(one, exp(f32x4.neg(x))));
}

/** tanh within 4 units in the last place: a rational function of degrees 13 and 6, with the
 * coefficients of Eigen (src/Core/MathFunctionsImpl.h). */
// @ts-ignore: decorator
@inline
export function tanh(x: v128): v128 {
  const end = constant(7.90531110763549805);
  const t = f32x4.pmax(f32x4.pmin(x, end), f32x4.neg(end));
  const t2 = f32x4.mul(t, t);
  let p = constant(-2.76076847742355e-16);
  p = madd(p, t2, constant(2.00018790482477e-13));
  p = madd(p, t2, constant(-8.60467152213735e-11));
  p = madd(p, t2, constant(5.12229709037114e-8));
  p = madd(p, t2, constant(1.48572235717979e-5));
  p = madd(p, t2, constant(6.37261928875436e-4));
  p = madd(p, t2, constant(4.89352455891786e-3));
  let q = constant(1.19825839466702e-6);
  q = madd(q, t2, constant(1.18534705686654e-4));
  q = madd(q, t2, constant(2.26843463243900e-3));
  q = madd(q, t2, constant(4.89352518554385e-3));
  return f32x4.div(f32x4.mul(t, p), q);
}

/** The error function, absolute error below 2e-7: a rational function of degrees 13 and 8, with
 * the coefficients of Eigen (unsupported/SpecialFunctions). */
// @ts-ignore: decorator
@inline
export function erf(x: v128): v128 {
  const end = constant(4);
  const t = f32x4.pmax(f32x4.pmin(x, end), f32x4.neg(end));
  const t2 = f32x4.mul(t, t);
  let p = constant(-2.72614225801306e-10);
  p = madd(p, t2, constant(2.77068142495902e-8));
  p = madd(p, t2, constant(-2.10102402082508e-6));
  p = madd(p, t2, constant(-5.69250639462346e-5));
  p = madd(p, t2, constant(-7.34990630326855e-4));
  p = madd(p, t2, constant(-2.95459980854025e-3));
  p = madd(p, t2, constant(-1.60960333262415e-2));
  let q = constant(-1.45660718464996e-5);
  q = madd(q, t2, constant(-2.13374055278905e-4));
  q = madd(q, t2, constant(-1.68282697438203e-3));
  q = madd(q, t2, constant(-7.37332916720468e-3));
  q = madd(q, t2, constant(-1.42647390514189e-2));
  return f32x4.div(f32x4.mul(t, p), q);
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
