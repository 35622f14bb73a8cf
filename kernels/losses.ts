import { exp, log } from './math';
import { addSquares, loadSome, storeSome, sumLanes64 } from './simd';
import { COLUMN_TILE, COLUMNS } from './workspace';

// Losses over a feature-major [rows, columns] array, of its first `valid` columns.

/** Σ (z − target)² in float64; dz = 2 · gradientScale · (z − target), zero past `valid`. */
export function squaredError(
  z: usize,
  target: usize,
  dz: usize,
  gradientScale: f64,
  rows: u32,
  columns: u32,
  valid: u32,
): f64 {
  const factor = f32x4.splat(<f32>(2 * gradientScale));
  if (valid == columns) {
    valid = columns *= rows;
    rows = columns == 0 ? 0 : 1;
  }
  const line = (<usize>columns) << 2;
  const some = valid & 3;
  const whole = (<usize>(valid - some)) << 2;
  let sums = f64x2.splat(0);
  for (; rows; rows--) {
    let i: usize = 0;
    for (; i < whole; i += 16) {
      const difference = f32x4.sub(v128.load(z + i), v128.load(target + i));
      sums = addSquares(sums, difference);
      v128.store(dz + i, f32x4.mul(factor, difference));
    }
    if (some) {
      const difference = f32x4.sub(loadSome(z + i, some), loadSome(target + i, some));
      sums = addSquares(sums, difference);
      storeSome(dz + i, f32x4.mul(factor, difference), some);
      i += (<usize>some) << 2;
    }
    memory.fill(dz + i, 0, line - i);
    z += line;
    target += line;
    dz += line;
  }
  return sumLanes64(sums);
}

/** How many columns the last `softmaxCrossEntropy` classified correctly. */
let correct: u32 = 0;
export function correctColumns(): u32 {
  return correct;
}

// The state of a tile of columns: greatest logit, the class that has it, Σ exp(logit − greatest).
const GREATEST: usize = COLUMNS;
const WINNER: usize = COLUMNS + ((<usize>COLUMN_TILE) << 2);
const SUM: usize = COLUMNS + ((<usize>COLUMN_TILE) << 3);

/** Σ of the valid columns' losses in float64; dLogits = gradientScale · (softmax − one-hot), zero
 * past `valid`. A label that is no class gives a NaN loss, as a NaN logit does. */
export function softmaxCrossEntropy(
  logits: usize,
  labels: usize,
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
    loss += tileLoss(from, labels + ((<usize>j) << 2), line, classes, count);
    scaleToGradient(to, labels + ((<usize>j) << 2), line, gradientScale, classes, count);
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
  for (let i: usize = 0; i < bytes; i += 16) {
    v128.store(GREATEST + i, f32x4.splat(-Infinity));
    v128.store(WINNER + i, i32x4.splat(0));
  }
  for (let c: u32 = 0; c < classes; c++) {
    const name = i32x4.splat(c);
    for (let i: usize = 0; i < bytes; i += 16) {
      const some = (bytes - i) >> 2;
      const x = some >= 4 ? v128.load(from + i) : loadSome(from + i, some);
      const greatest = v128.load(GREATEST + i);
      // Neither smaller nor equal: a NaN wins, and nothing wins against it.
      const wins = v128.andnot(f32x4.eq(greatest, greatest), f32x4.le(x, greatest));
      v128.store(GREATEST + i, v128.bitselect(x, greatest, wins));
      v128.store(WINNER + i, v128.bitselect(name, v128.load(WINNER + i), wins));
    }
    from += line;
  }
}

function exponentials(from: usize, to: usize, line: usize, classes: u32, count: u32): void {
  const bytes = (<usize>count) << 2;
  memory.fill(SUM, 0, bytes + 12);
  for (let c: u32 = 0; c < classes; c++) {
    for (let i: usize = 0; i < bytes; i += 16) {
      const some = (bytes - i) >> 2;
      const x = some >= 4 ? v128.load(from + i) : loadSome(from + i, some);
      const e = exp(f32x4.sub(x, v128.load(GREATEST + i)));
      if (some >= 4) v128.store(to + i, e);
      else storeSome(to + i, e, some);
      v128.store(SUM + i, f32x4.add(v128.load(SUM + i), e));
    }
    from += line;
    to += line;
  }
}

function tileLoss(logits: usize, labels: usize, line: usize, classes: u32, count: u32): f64 {
  let loss: f64 = 0;
  for (let j: usize = 0; j < (<usize>count) << 2; j += 4) {
    const label = load<f32>(labels + j);
    if (!(label >= 0 && label < <f32>classes)) {
      loss = NaN;
      continue;
    }
    const own = <f64>load<f32>(logits + <usize>(<u32>label) * line + j);
    loss += log(<f64>load<f32>(SUM + j)) + (<f64>load<f32>(GREATEST + j) - own);
    if (load<u32>(WINNER + j) == <u32>label) correct++;
  }
  return loss;
}

function scaleToGradient(
  to: usize,
  labels: usize,
  line: usize,
  gradientScale: f32,
  classes: u32,
  count: u32,
): void {
  const bytes = (<usize>count) << 2;
  const scale = f32x4.splat(gradientScale);
  for (let i: usize = 0; i < bytes; i += 16) {
    v128.store(SUM + i, f32x4.div(scale, v128.load(SUM + i)));
  }
  let row = to;
  for (let c: u32 = 0; c < classes; c++) {
    for (let i: usize = 0; i < bytes; i += 16) {
      const some = (bytes - i) >> 2;
      const factor = v128.load(SUM + i);
      if (some >= 4) v128.store(row + i, f32x4.mul(factor, v128.load(row + i)));
      else storeSome(row + i, f32x4.mul(factor, loadSome(row + i, some)), some);
    }
    row += line;
  }
  for (let j: usize = 0; j < bytes; j += 4) {
    const label = load<f32>(labels + j);
    if (!(label >= 0 && label < <f32>classes)) continue;
    const own = to + <usize>(<u32>label) * line + j;
    store<f32>(own, load<f32>(own) - gradientScale);
  }
}
