import { addSquares, loadSome, madd, storeSome, sumLanes64 } from './simd';

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
  const bytes: usize = (<usize>count) << 2;
  const whole: usize = bytes & ~15;
  const rate = f32x4.splat(-learningRate);
  const mu = f32x4.splat(momentum);
  const decay = f32x4.splat(weightDecay);
  const scale = f32x4.splat(gradientScale);
  let squares = f64x2.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) {
    const some: usize = i < whole ? 4 : (bytes - i) >> 2;
    const w = get(weights + i, some);
    const raw = get(gradient + i, some);
    squares = addSquares(squares, raw);
    let g = madd(decay, w, f32x4.mul(scale, raw));
    if (velocity != 0) {
      const v = madd(mu, get(velocity + i, some), g);
      put(velocity + i, v, some);
      g = nesterov ? madd(mu, v, g) : v;
    }
    put(weights + i, madd(rate, g, w), some);
  }
  return sumLanes64(squares);
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
  const bytes: usize = (<usize>count) << 2;
  const whole: usize = bytes & ~15;
  const b1 = f32x4.splat(beta1);
  const b2 = f32x4.splat(beta2);
  const c1 = f32x4.splat(oneMinusBeta1);
  const c2 = f32x4.splat(oneMinusBeta2);
  let squares = f64x2.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) {
    const some: usize = i < whole ? 4 : (bytes - i) >> 2;
    const w = get(weights + i, some);
    const raw = get(gradient + i, some);
    squares = addSquares(squares, raw);
    const g = madd(f32x4.splat(decay), w, f32x4.mul(f32x4.splat(gradientScale), raw));
    const m = madd(b1, get(firstMoment + i, some), f32x4.mul(c1, g));
    const v = madd(b2, get(secondMoment + i, some), f32x4.mul(c2, f32x4.mul(g, g)));
    put(firstMoment + i, m, some);
    put(secondMoment + i, v, some);
    const root = madd(f32x4.sqrt(v), f32x4.splat(rootScale), f32x4.splat(epsilon));
    const step = f32x4.mul(f32x4.splat(rate), f32x4.div(m, root));
    put(weights + i, f32x4.sub(w, madd(f32x4.splat(shrink), w, step)), some);
  }
  return sumLanes64(squares);
}

// @ts-ignore: decorator
@inline
function get(from: usize, some: usize): v128 {
  return some == 4 ? v128.load(from) : loadSome(from, some);
}

// @ts-ignore: decorator
@inline
function put(to: usize, v: v128, some: usize): void {
  if (some == 4) v128.store(to, v);
  else storeSome(to, v, some);
}
