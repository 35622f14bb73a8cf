import { exp, log, sigmoid } from './math';
import { addSquares, loadSome, storeSome, sumLanes64 } from './simd';

// Losses of the elements of a feature-major [rows, columns] array, of its first `valid` columns.

// One class per element-wise loss, so that each gets loops of its own.
class Squared {}
class Absolute {}
class Huber {}
class Quantile {}
class Poisson {}
class Binary {}

// Element-wise losses by number: `kernel` in src/engines/element-losses.ts.
const SQUARED = 0;
const ABSOLUTE = 1;
const HUBER = 2;
const QUANTILE = 3;
const POISSON = 4;

/** The losses of four elements; `p` is the loss's parameter. A NaN of z gives NaN. */
// @ts-ignore: decorator
@inline
function lossesOf<L>(z: v128, y: v128, p: f32): v128 {
  const e = f32x4.sub(z, y);
  const size = f32x4.abs(e);
  if (idof<L>() == idof<Squared>()) return f32x4.mul(e, e);
  if (idof<L>() == idof<Absolute>()) return size;
  if (idof<L>() == idof<Huber>()) {
    const square = f32x4.mul(f32x4.splat(0.5), f32x4.mul(e, e));
    const line = f32x4.mul(f32x4.splat(p), f32x4.sub(size, f32x4.splat(0.5 * p)));
    return v128.bitselect(square, line, f32x4.le(size, f32x4.splat(p)));
  }
  if (idof<L>() == idof<Quantile>()) {
    const over = f32x4.gt(e, f32x4.splat(0));
    return f32x4.mul(e, v128.bitselect(f32x4.splat(1 - p), f32x4.splat(-p), over));
  }
  if (idof<L>() == idof<Poisson>()) {
    const linear = f32x4.sub(exp(z), f32x4.mul(y, z));
    return f32x4.add(linear, onLanes<Poisson>(y));
  }
  // log(1 + exp(z)) − z · y, without overflow.
  const positive = f32x4.sub(f32x4.pmax(z, f32x4.splat(0)), f32x4.mul(z, smoothed(y, p)));
  return f32x4.add(positive, onLanes<Binary>(exp(f32x4.neg(f32x4.abs(z)))));
}

/** The derivative of each loss by z. */
// @ts-ignore: decorator
@inline
function slopesOf<L>(z: v128, y: v128, p: f32): v128 {
  const e = f32x4.sub(z, y);
  const zero = f32x4.splat(0);
  if (idof<L>() == idof<Absolute>()) return v128.and(signed(e, 1), f32x4.ne(e, zero));
  if (idof<L>() == idof<Huber>()) {
    return v128.bitselect(e, signed(e, p), f32x4.le(f32x4.abs(e), f32x4.splat(p)));
  }
  if (idof<L>() == idof<Quantile>()) {
    const slope = v128.bitselect(f32x4.splat(1 - p), f32x4.splat(-p), f32x4.gt(e, zero));
    return v128.and(slope, f32x4.ne(e, zero));
  }
  if (idof<L>() == idof<Poisson>()) return f32x4.sub(exp(z), y);
  if (idof<L>() == idof<Binary>()) return f32x4.sub(sigmoid(z), smoothed(y, p));
  return e;
}

/** `size` with the signs of e. */
// @ts-ignore: decorator
@inline
function signed(e: v128, size: f32): v128 {
  return v128.or(v128.and(e, f32x4.splat(-0.0)), f32x4.splat(size));
}

/** Zeros and ones, moved by p / 2 towards one half. */
// @ts-ignore: decorator
@inline
function smoothed(y: v128, p: f32): v128 {
  return f32x4.add(f32x4.mul(y, f32x4.splat(1 - p)), f32x4.splat(0.5 * p));
}

/** Of a count y: y log y − y; of an exponential: log(1 + it). */
// @ts-ignore: decorator
@inline
function onLanes<L>(x: v128): v128 {
  let out = f32x4.splat(lane<L>(f32x4.extract_lane(x, 0)));
  out = f32x4.replace_lane(out, 1, lane<L>(f32x4.extract_lane(x, 1)));
  out = f32x4.replace_lane(out, 2, lane<L>(f32x4.extract_lane(x, 2)));
  return f32x4.replace_lane(out, 3, lane<L>(f32x4.extract_lane(x, 3)));
}

function lane<L>(x: f32): f32 {
  const value = <f64>x;
  if (idof<L>() == idof<Poisson>()) return value > 0 ? <f32>(value * log(value) - value) : 0;
  return <f32>log(1 + value);
}

/** Σ weight · loss in float64; dz = gradientScale · weight · slope, twice that for squares; zero past
 * `valid`. Without weights (0) each is one. */
export function elementLoss(
  kind: i32,
  parameter: f32,
  z: usize,
  target: usize,
  weights: usize,
  dz: usize,
  gradientScale: f64,
  rows: u32,
  columns: u32,
  valid: u32,
): f64 {
  const factor = <f32>(kind == SQUARED ? 2 * gradientScale : gradientScale);
  if (valid == columns && weights == 0) {
    valid = columns *= rows;
    rows = columns == 0 ? 0 : 1;
  }
  if (kind == SQUARED) return pass<Squared>(parameter, z, target, weights, dz, factor, rows, columns, valid);
  if (kind == ABSOLUTE) return pass<Absolute>(parameter, z, target, weights, dz, factor, rows, columns, valid);
  if (kind == HUBER) return pass<Huber>(parameter, z, target, weights, dz, factor, rows, columns, valid);
  if (kind == QUANTILE) return pass<Quantile>(parameter, z, target, weights, dz, factor, rows, columns, valid);
  if (kind == POISSON) return pass<Poisson>(parameter, z, target, weights, dz, factor, rows, columns, valid);
  return pass<Binary>(parameter, z, target, weights, dz, factor, rows, columns, valid);
}

function pass<L>(
  parameter: f32,
  z: usize,
  target: usize,
  weights: usize,
  dz: usize,
  factor: f32,
  rows: u32,
  columns: u32,
  valid: u32,
): f64 {
  const scale = f32x4.splat(factor);
  const line = (<usize>columns) << 2;
  const some = valid & 3;
  const whole = (<usize>(valid - some)) << 2;
  const mask = i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(some));
  let sums = f64x2.splat(0);
  for (; rows; rows--) {
    let i: usize = 0;
    for (; i < whole; i += 16) {
      const x = v128.load(z + i);
      const y = v128.load(target + i);
      let slope = f32x4.mul(scale, slopesOf<L>(x, y, parameter));
      if (weights != 0) {
        const weight = v128.load(weights + i);
        slope = f32x4.mul(slope, weight);
        sums = addWeighted(sums, lossesOf<L>(x, y, parameter), weight);
      } else {
        sums = addLosses<L>(sums, x, y, parameter);
      }
      v128.store(dz + i, slope);
    }
    if (some) {
      const x = loadSome(z + i, some);
      const y = loadSome(target + i, some);
      let slope = f32x4.mul(scale, slopesOf<L>(x, y, parameter));
      // Lanes past the end are no elements: not every loss of 0 and 0 is zero.
      const weight = weights != 0 ? loadSome(weights + i, some) : v128.and(f32x4.splat(1), mask);
      if (weights != 0) slope = f32x4.mul(slope, weight);
      if (weights == 0 && idof<L>() == idof<Squared>()) sums = addLosses<L>(sums, x, y, parameter);
      else sums = addWeighted(sums, v128.and(lossesOf<L>(x, y, parameter), mask), weight);
      storeSome(dz + i, slope, some);
      i += (<usize>some) << 2;
    }
    memory.fill(dz + i, 0, line - i);
    z += line;
    target += line;
    dz += line;
  }
  return sumLanes64(sums);
}

/** Squares are taken in float64. */
// @ts-ignore: decorator
@inline
function addLosses<L>(sums: v128, z: v128, y: v128, p: f32): v128 {
  if (idof<L>() == idof<Squared>()) return addSquares(sums, f32x4.sub(z, y));
  return addWeighted(sums, lossesOf<L>(z, y, p), f32x4.splat(1));
}

// @ts-ignore: decorator
@inline
function addWeighted(sums: v128, losses: v128, weights: v128): v128 {
  const high = v128.shuffle<f32>(losses, losses, 2, 3, 2, 3);
  const highWeights = v128.shuffle<f32>(weights, weights, 2, 3, 2, 3);
  const low = f64x2.mul(f64x2.promote_low_f32x4(losses), f64x2.promote_low_f32x4(weights));
  const rest = f64x2.mul(f64x2.promote_low_f32x4(high), f64x2.promote_low_f32x4(highWeights));
  return f64x2.add(sums, f64x2.add(low, rest));
}
