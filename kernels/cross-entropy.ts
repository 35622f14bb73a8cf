import { exp, log } from './math';
import { loadSome, storeSome } from './simd';
import { COLUMN_TILE, COLUMNS } from './workspace';

// Cross-entropy over a feature-major [classes, columns] array, of its first `valid` columns.

/** How many columns the last `softmaxCrossEntropy` classified correctly. */
let correct: u32 = 0;
export function correctColumns(): u32 {
  return correct;
}

// The state of a tile of columns: greatest logit, the class that has it, Σ exp(logit − greatest).
const GREATEST: usize = COLUMNS;
const WINNER: usize = COLUMNS + ((<usize>COLUMN_TILE) << 2);
const SUM: usize = COLUMNS + ((<usize>COLUMN_TILE) << 3);

/** Σ of weight · loss of the valid columns in float64; dLogits = gradientScale · weight · (softmax −
 * one-hot), zero past `valid`. Without weights (0) each is one. With `smoothing` s the one of
 * one-hot is 1 − s, and every class has s / classes more. A label that is no class gives a NaN loss,
 * as a NaN logit does. */
export function softmaxCrossEntropy(
  logits: usize,
  labels: usize,
  weights: usize,
  smoothing: f32,
  dLogits: usize,
  gradientScale: f32,
  classes: u32,
  columns: u32,
  valid: u32,
): f64 {
  const line = (<usize>columns) << 2;
  let loss: f64 = 0;
  correct = 0;
  for (let j: u32 = 0; j < valid; j += COLUMN_TILE) {
    const count = min(COLUMN_TILE, valid - j);
    const from = logits + ((<usize>j) << 2);
    const to = dLogits + ((<usize>j) << 2);
    findGreatest(from, line, classes, count);
    exponentials(from, to, line, classes, count);
    const own = labels + ((<usize>j) << 2);
    const weight = weights == 0 ? <usize>0 : weights + ((<usize>j) << 2);
    loss += tileLoss(from, own, weight, smoothing, line, classes, count);
    scaleToGradient(to, own, weight, smoothing, line, gradientScale, classes, count);
  }
  for (let i: u32 = 0; i < classes; i++) {
    memory.fill(
      dLogits + <usize>i * line + ((<usize>valid) << 2),
      0,
      (<usize>(columns - valid)) << 2,
    );
  }
  return loss;
}

function findGreatest(from: usize, line: usize, classes: u32, count: u32): void {
  const bytes = (<usize>count) << 2;
  const some = <usize>count & 3;
  const whole = bytes & ~15;
  for (let i: usize = 0; i < bytes; i += 16) {
    v128.store(GREATEST + i, f32x4.splat(-Infinity));
    v128.store(WINNER + i, i32x4.splat(0));
  }
  for (let c: u32 = 0; c < classes; c++) {
    const name = i32x4.splat(c);
    for (let i: usize = 0; i < whole; i += 16) raise(v128.load(from + i), i, name);
    if (some) raise(loadSome(from + whole, some), whole, name);
    from += line;
  }
}

// @ts-ignore: decorator
@inline
function raise(x: v128, i: usize, name: v128): void {
  const greatest = v128.load(GREATEST + i);
  // Neither smaller nor equal: a NaN wins, and nothing wins against it.
  const wins = v128.andnot(f32x4.eq(greatest, greatest), f32x4.le(x, greatest));
  v128.store(GREATEST + i, v128.bitselect(x, greatest, wins));
  v128.store(WINNER + i, v128.bitselect(name, v128.load(WINNER + i), wins));
}

function exponentials(from: usize, to: usize, line: usize, classes: u32, count: u32): void {
  const bytes = (<usize>count) << 2;
  const some = <usize>count & 3;
  const whole = bytes & ~15;
  memory.fill(SUM, 0, bytes + 12);
  for (let c: u32 = 0; c < classes; c++) {
    for (let i: usize = 0; i < whole; i += 16) {
      v128.store(to + i, addExponential(v128.load(from + i), i));
    }
    if (some) storeSome(to + whole, addExponential(loadSome(from + whole, some), whole), some);
    from += line;
    to += line;
  }
}

// @ts-ignore: decorator
@inline
function addExponential(x: v128, i: usize): v128 {
  const e = exp(f32x4.sub(x, v128.load(GREATEST + i)));
  v128.store(SUM + i, f32x4.add(v128.load(SUM + i), e));
  return e;
}

function tileLoss(
  logits: usize,
  labels: usize,
  weights: usize,
  smoothing: f32,
  line: usize,
  classes: u32,
  count: u32,
): f64 {
  let loss: f64 = 0;
  for (let j: usize = 0; j < (<usize>count) << 2; j += 4) {
    const label = load<f32>(labels + j);
    if (!(label >= 0 && label < <f32>classes)) {
      loss = NaN;
      continue;
    }
    let own = <f64>load<f32>(logits + <usize>(<u32>label) * line + j);
    if (smoothing > 0) {
      let sum: f64 = 0;
      for (let c: usize = 0; c < classes; c++) sum += <f64>load<f32>(logits + c * line + j);
      own += <f64>smoothing * (sum / <f64>classes - own);
    }
    const one = log(<f64>load<f32>(SUM + j)) + (<f64>load<f32>(GREATEST + j) - own);
    loss += weights == 0 ? one : one * <f64>load<f32>(weights + j);
    if (load<u32>(WINNER + j) == <u32>label) correct++;
  }
  return loss;
}

function scaleToGradient(
  to: usize,
  labels: usize,
  weights: usize,
  smoothing: f32,
  line: usize,
  gradientScale: f32,
  classes: u32,
  count: u32,
): void {
  const bytes = (<usize>count) << 2;
  const some = <usize>count & 3;
  const whole = bytes & ~15;
  const scale = f32x4.splat(gradientScale);
  for (let i: usize = 0; i < bytes; i += 16) {
    v128.store(SUM + i, f32x4.div(scale, v128.load(SUM + i)));
    if (weights == 0) continue;
    const weight = i < whole ? v128.load(weights + i) : loadSome(weights + i, some);
    v128.store(SUM + i, f32x4.mul(v128.load(SUM + i), weight));
  }
  let row = to;
  for (let c: u32 = 0; c < classes; c++) {
    for (let i: usize = 0; i < whole; i += 16) {
      v128.store(row + i, f32x4.mul(v128.load(SUM + i), v128.load(row + i)));
    }
    if (some) {
      const last = f32x4.mul(v128.load(SUM + whole), loadSome(row + whole, some));
      storeSome(row + whole, last, some);
    }
    row += line;
  }
  for (let j: usize = 0; j < bytes; j += 4) {
    const label = load<f32>(labels + j);
    if (!(label >= 0 && label < <f32>classes)) continue;
    const own = to + <usize>(<u32>label) * line + j;
    const whole = weights == 0 ? gradientScale : gradientScale * load<f32>(weights + j);
    store<f32>(own, load<f32>(own) - whole * (1 - smoothing));
    if (!(smoothing > 0)) continue;
    const share = (whole * smoothing) / <f32>classes;
    for (let c: usize = 0; c < classes; c++) {
      const place = to + c * line + j;
      store<f32>(place, load<f32>(place) - share);
    }
  }
}
