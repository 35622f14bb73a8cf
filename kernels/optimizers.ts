import { encodeBfloat16 } from './precision';
import { addSquares, loadSome, madd, storeSome, sumLanes64 } from './simd';
import { CONSTANTS, ROUNDED_TILE, SCRATCH } from './workspace';

// One step for one tensor, in a single pass over memory. Both return Σ gradient² in float64,
// taken on the way, before the gradient is scaled. Where there is a `copy` (0: none), it gets the new
// weights in bfloat16, tile by tile while they are in the cache.

// @ts-ignore: decorator
@inline
function setConstant(index: usize, value: f32): void {
  v128.store(CONSTANTS + 16 * index, f32x4.splat(value));
}

// @ts-ignore: decorator
@inline
function constant(index: usize): v128 {
  return v128.load(CONSTANTS + 16 * index);
}

/** velocity 0: no momentum. */
export function sgdStep(
  weights: usize,
  gradient: usize,
  velocity: usize,
  learningRate: f32,
  momentum: f32,
  nesterov: bool,
  weightDecay: f32,
  gradientScale: f32,
  copy: usize,
  count: u32,
): f64 {
  const tile = copy == 0 ? count : ROUNDED_TILE;
  let sum: f64 = 0;
  while (count) {
    const some = min(tile, count);
    sum += sgdPass(
      weights,
      gradient,
      velocity,
      learningRate,
      momentum,
      nesterov,
      weightDecay,
      gradientScale,
      some,
    );
    if (copy != 0) {
      encodeBfloat16(weights, copy, some);
      copy += <usize>some << 1;
    }
    const bytes = <usize>some << 2;
    weights += bytes;
    gradient += bytes;
    if (velocity != 0) velocity += bytes;
    count -= some;
  }
  return sum;
}

function sgdPass(
  weights: usize,
  gradient: usize,
  velocity: usize,
  learningRate: f32,
  momentum: f32,
  nesterov: bool,
  weightDecay: f32,
  gradientScale: f32,
  count: u32,
): f64 {
  const whole: usize = (<usize>count & ~3) << 2;
  const rate = f32x4.splat(-learningRate);
  const mu = f32x4.splat(momentum);
  const decay = f32x4.splat(weightDecay);
  const scale = f32x4.splat(gradientScale);
  let squares = f64x2.splat(0);
  let i: usize = 0;
  if (velocity == 0) {
    for (; i < whole; i += 16) {
      const w = v128.load(weights + i);
      const raw = v128.load(gradient + i);
      squares = addSquares(squares, raw);
      const g = madd(decay, w, f32x4.mul(scale, raw));
      v128.store(weights + i, madd(rate, g, w));
    }
  } else {
    for (; i < whole; i += 16) {
      const w = v128.load(weights + i);
      const raw = v128.load(gradient + i);
      squares = addSquares(squares, raw);
      const g = madd(decay, w, f32x4.mul(scale, raw));
      const v = madd(mu, v128.load(velocity + i), g);
      v128.store(velocity + i, v);
      v128.store(weights + i, madd(rate, nesterov ? madd(mu, v, g) : v, w));
    }
  }
  let sum = sumLanes64(squares);
  const rest = count & 3;
  if (rest) {
    // The last few elements, as a vector of their own.
    v128.store(SCRATCH, loadSome(weights + i, rest));
    v128.store(SCRATCH, loadSome(gradient + i, rest), 16);
    const scratchVelocity: usize = velocity == 0 ? 0 : SCRATCH + 32;
    if (velocity != 0) v128.store(scratchVelocity, loadSome(velocity + i, rest));
    sum += sgdPass(
      SCRATCH,
      SCRATCH + 16,
      scratchVelocity,
      learningRate,
      momentum,
      nesterov,
      weightDecay,
      gradientScale,
      4,
    );
    storeSome(weights + i, v128.load(SCRATCH), rest);
    if (velocity != 0) storeSome(velocity + i, v128.load(scratchVelocity), rest);
  }
  return sum;
}

/** g = gradientScale · gradient + decay · w, m and v are its moving averages, and
 * w −= rate · m / (√v · rootScale + epsilon) + shrink · w, where rate and rootScale carry the bias
 * corrections; `shrink` is the decoupled decay, `decay` the other one. */
export function adamStep(
  weights: usize,
  gradient: usize,
  firstMoment: usize,
  secondMoment: usize,
  beta1: f32,
  oneMinusBeta1: f32,
  beta2: f32,
  oneMinusBeta2: f32,
  rate: f32,
  rootScale: f32,
  epsilon: f32,
  shrink: f32,
  decay: f32,
  gradientScale: f32,
  copy: usize,
  count: u32,
): f64 {
  const tile = copy == 0 ? count : ROUNDED_TILE;
  let sum: f64 = 0;
  while (count) {
    const some = min(tile, count);
    sum += adamPass(
      weights,
      gradient,
      firstMoment,
      secondMoment,
      beta1,
      oneMinusBeta1,
      beta2,
      oneMinusBeta2,
      rate,
      rootScale,
      epsilon,
      shrink,
      decay,
      gradientScale,
      some,
    );
    if (copy != 0) {
      encodeBfloat16(weights, copy, some);
      copy += <usize>some << 1;
    }
    const bytes = <usize>some << 2;
    weights += bytes;
    gradient += bytes;
    firstMoment += bytes;
    secondMoment += bytes;
    count -= some;
  }
  return sum;
}

function adamPass(
  weights: usize,
  gradient: usize,
  firstMoment: usize,
  secondMoment: usize,
  beta1: f32,
  oneMinusBeta1: f32,
  beta2: f32,
  oneMinusBeta2: f32,
  rate: f32,
  rootScale: f32,
  epsilon: f32,
  shrink: f32,
  decay: f32,
  gradientScale: f32,
  count: u32,
): f64 {
  const whole: usize = (<usize>count & ~3) << 2;
  // By way of memory, because the compiler would make each vector from its parameter again and
  // again.
  setConstant(0, gradientScale);
  setConstant(1, decay);
  setConstant(2, beta1);
  setConstant(3, oneMinusBeta1);
  setConstant(4, beta2);
  setConstant(5, oneMinusBeta2);
  setConstant(6, rootScale);
  setConstant(7, epsilon);
  setConstant(8, rate);
  setConstant(9, shrink);
  const scale4 = constant(0);
  const decay4 = constant(1);
  const keepFirst = constant(2);
  const addFirst = constant(3);
  const keepSecond = constant(4);
  const addSecond = constant(5);
  const rootScale4 = constant(6);
  const epsilon4 = constant(7);
  const rate4 = constant(8);
  const shrink4 = constant(9);
  let squares = f64x2.splat(0);
  let i: usize = 0;
  for (; i < whole; i += 16) {
    const w = v128.load(weights + i);
    const raw = v128.load(gradient + i);
    squares = addSquares(squares, raw);
    const g = madd(decay4, w, f32x4.mul(scale4, raw));
    const m = madd(addFirst, g, f32x4.mul(keepFirst, v128.load(firstMoment + i)));
    const square = f32x4.mul(g, g);
    const v = madd(addSecond, square, f32x4.mul(keepSecond, v128.load(secondMoment + i)));
    v128.store(firstMoment + i, m);
    v128.store(secondMoment + i, v);
    const root = madd(f32x4.sqrt(v), rootScale4, epsilon4);
    const step = f32x4.mul(rate4, f32x4.div(m, root));
    v128.store(weights + i, f32x4.sub(w, madd(shrink4, w, step)));
  }
  let sum = sumLanes64(squares);
  const rest = count & 3;
  if (rest) {
    v128.store(SCRATCH, loadSome(weights + i, rest));
    v128.store(SCRATCH, loadSome(gradient + i, rest), 16);
    v128.store(SCRATCH, loadSome(firstMoment + i, rest), 32);
    v128.store(SCRATCH, loadSome(secondMoment + i, rest), 48);
    sum += adamPass(
      SCRATCH,
      SCRATCH + 16,
      SCRATCH + 32,
      SCRATCH + 48,
      beta1,
      oneMinusBeta1,
      beta2,
      oneMinusBeta2,
      rate,
      rootScale,
      epsilon,
      shrink,
      decay,
      gradientScale,
      4,
    );
    storeSome(weights + i, v128.load(SCRATCH), rest);
    storeSome(firstMoment + i, v128.load(SCRATCH, 32), rest);
    storeSome(secondMoment + i, v128.load(SCRATCH, 48), rest);
  }
  return sum;
}
