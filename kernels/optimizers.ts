import { addSquares, loadSome, madd, storeSome, sumLanes64 } from './simd';
import { SCRATCH } from './workspace';

// One step for one tensor, in a single pass over memory. Both return Σ gradient² in float64,
// taken on the way, before the gradient is scaled.

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
    sum += sgdStep(
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
  count: u32,
): f64 {
  const whole: usize = (<usize>count & ~3) << 2;
  const b1 = f32x4.splat(beta1);
  const b2 = f32x4.splat(beta2);
  const c1 = f32x4.splat(oneMinusBeta1);
  const c2 = f32x4.splat(oneMinusBeta2);
  const factor = f32x4.splat(gradientScale);
  let squares = f64x2.splat(0);
  let i: usize = 0;
  for (; i < whole; i += 16) {
    const w = v128.load(weights + i);
    const raw = v128.load(gradient + i);
    squares = addSquares(squares, raw);
    const g = madd(f32x4.splat(decay), w, f32x4.mul(factor, raw));
    const m = madd(c1, g, f32x4.mul(b1, v128.load(firstMoment + i)));
    const v = madd(c2, f32x4.mul(g, g), f32x4.mul(b2, v128.load(secondMoment + i)));
    v128.store(firstMoment + i, m);
    v128.store(secondMoment + i, v);
    const root = madd(f32x4.sqrt(v), f32x4.splat(rootScale), f32x4.splat(epsilon));
    const step = f32x4.mul(f32x4.splat(rate), f32x4.div(m, root));
    v128.store(weights + i, f32x4.sub(w, madd(f32x4.splat(shrink), w, step)));
  }
  let sum = sumLanes64(squares);
  const rest = count & 3;
  if (rest) {
    v128.store(SCRATCH, loadSome(weights + i, rest));
    v128.store(SCRATCH, loadSome(gradient + i, rest), 16);
    v128.store(SCRATCH, loadSome(firstMoment + i, rest), 32);
    v128.store(SCRATCH, loadSome(secondMoment + i, rest), 48);
    sum += adamStep(
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
