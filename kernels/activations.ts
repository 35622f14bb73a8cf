import { exp, normalDistribution, sigmoid, tanh } from './math';
import { loadSome, madd, storeSome, sumLanes } from './simd';

// Activations by number: the order of `ACTIVATIONS` in src/engines/wasm/wasm-engine.ts.
const RELU = 0;
const GELU = 1;
const SILU = 2;
const TANH = 3;
const IDENTITY = 4;

// The inlined functions below take the kind as a constant, so that one loop a kind remains.

// @ts-ignore: decorator
@inline
function activate(kind: i32, x: v128): v128 {
  if (kind == RELU) return f32x4.pmax(x, f32x4.splat(0));
  if (kind == GELU) return f32x4.mul(x, normalDistribution(x));
  if (kind == SILU) return f32x4.div(x, f32x4.add(f32x4.splat(1), exp(f32x4.neg(x))));
  if (kind == TANH) return tanh(x);
  return x;
}

/** The derivative at z, times d; `y` is the activation's value there. */
// @ts-ignore: decorator
@inline
function activateGradient(kind: i32, z: v128, y: v128, d: v128): v128 {
  const one = f32x4.splat(1);
  // Where y is not ≤ 0, so that a NaN does not become a zero.
  if (kind == RELU) return v128.andnot(d, f32x4.le(y, f32x4.splat(0)));
  if (kind == GELU) {
    const square = f32x4.mul(f32x4.mul(z, z), f32x4.splat(-0.5));
    const density = f32x4.mul(exp(square), f32x4.splat(0.39894228));
    return f32x4.mul(d, madd(z, density, normalDistribution(z)));
  }
  if (kind == SILU) {
    const s = sigmoid(z);
    return f32x4.mul(d, f32x4.mul(s, madd(z, f32x4.sub(one, s), one)));
  }
  if (kind == TANH) return f32x4.mul(d, f32x4.sub(one, f32x4.mul(y, y)));
  return d;
}

/** z += bias (0: none), out = activation(z); z and out may be the same. */
export function biasActivation(
  kind: i32,
  z: usize,
  bias: usize,
  out: usize,
  rows: u32,
  columns: u32,
): void {
  if (bias == 0) {
    columns *= rows;
    rows = columns == 0 ? 0 : 1;
  }
  if (kind == RELU) forward(RELU, z, bias, out, rows, columns);
  else if (kind == GELU) forward(GELU, z, bias, out, rows, columns);
  else if (kind == SILU) forward(SILU, z, bias, out, rows, columns);
  else if (kind == TANH) forward(TANH, z, bias, out, rows, columns);
  else if (bias != 0 || z != out) forward(IDENTITY, z, bias, out, rows, columns);
}

// @ts-ignore: decorator
@inline
function forward(kind: i32, z: usize, bias: usize, out: usize, rows: u32, columns: u32): void {
  const some: usize = (<usize>columns & 3) << 2;
  const whole: usize = (<usize>columns << 2) - some;
  const write = bias != 0 && z != out;
  for (; rows; rows--) {
    let b = f32x4.splat(0);
    if (bias != 0) {
      b = v128.load32_splat(bias);
      bias += 4;
    }
    const shift = out - z;
    const end = z + whole;
    for (; z < end; z += 16) {
      // Without a bias nothing is added: −0 stays −0.
      const x = bias != 0 ? f32x4.add(v128.load(z), b) : v128.load(z);
      if (write) v128.store(z, x);
      v128.store(z + shift, activate(kind, x));
    }
    if (some) {
      const count = some >> 2;
      const x = bias != 0 ? f32x4.add(loadSome(z, count), b) : loadSome(z, count);
      if (write) storeSome(z, x, count);
      storeSome(z + shift, activate(kind, x), count);
      z += some;
    }
    out = z + shift;
  }
}

/** dz = dOut · activation′, dBias (0: none) = betaBias · dBias + row sums of dz. */
export function biasActivationGradient(
  kind: i32,
  z: usize,
  out: usize,
  dOut: usize,
  dz: usize,
  betaBias: f32,
  dBias: usize,
  rows: u32,
  columns: u32,
): void {
  if (dBias == 0) {
    if (kind == IDENTITY && dz == dOut) return;
    columns *= rows;
    rows = columns == 0 ? 0 : 1;
  }
  if (kind == RELU) backward(RELU, z, out, dOut, dz, betaBias, dBias, rows, columns);
  else if (kind == GELU) backward(GELU, z, out, dOut, dz, betaBias, dBias, rows, columns);
  else if (kind == SILU) backward(SILU, z, out, dOut, dz, betaBias, dBias, rows, columns);
  else if (kind == TANH) backward(TANH, z, out, dOut, dz, betaBias, dBias, rows, columns);
  else backward(IDENTITY, z, out, dOut, dz, betaBias, dBias, rows, columns);
}

// @ts-ignore: decorator
@inline
function backward(
  kind: i32,
  z: usize,
  out: usize,
  dOut: usize,
  dz: usize,
  betaBias: f32,
  dBias: usize,
  rows: u32,
  columns: u32,
): void {
  const some: usize = (<usize>columns & 3) << 2;
  const whole: usize = (<usize>columns << 2) - some;
  const fromZ = kind == GELU || kind == SILU;
  const fromOut = kind == RELU || kind == TANH;
  const zero = f32x4.splat(0);
  for (; rows; rows--) {
    let sums = zero;
    for (let i: usize = 0; i < whole; i += 16) {
      const x = fromZ ? v128.load(z + i) : zero;
      const y = fromOut ? v128.load(out + i) : zero;
      const d = activateGradient(kind, x, y, v128.load(dOut + i));
      v128.store(dz + i, d);
      sums = f32x4.add(sums, d);
    }
    z += whole;
    out += whole;
    dOut += whole;
    dz += whole;
    if (some) {
      const count = some >> 2;
      const x = fromZ ? loadSome(z, count) : zero;
      const y = fromOut ? loadSome(out, count) : zero;
      const d = activateGradient(kind, x, y, loadSome(dOut, count));
      storeSome(dz, d, count);
      sums = f32x4.add(sums, d);
      z += some;
      out += some;
      dOut += some;
      dz += some;
    }
    if (dBias != 0) {
      const sum = sumLanes(sums);
      store<f32>(dBias, betaBias == 0 ? sum : betaBias * load<f32>(dBias) + sum);
      dBias += 4;
    }
  }
}
