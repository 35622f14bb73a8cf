import { add } from './elementwise';
import { cosine, expMinusOne, gelu, geluSlope, silu, siluSlope, sine, tanh } from './math';
import { encodeBfloat16 } from './precision';
import { loadSome, madd, storeSome, sumLanes } from './simd';
import { ACTIVATION_TILE, ROUNDED_TILE, WIDE_TILE } from './workspace';

// One class per activation, so that each gets loops of its own: comparisons of `idof` are decided
// by the compiler.
class Relu {}
class Gelu {}
class Silu {}
class Tanh {}
class Identity {}
class Elu {}
class LeakyRelu {}
class Sine {}

// Activations by number: `kernel` in src/engines/activations.ts.
const RELU = 0;
const GELU = 1;
const SILU = 2;
const TANH = 3;
const IDENTITY = 4;
const ELU = 5;
const LEAKY_RELU = 6;
const SINE = 7;

/** Of a leaky ReLU below zero. */
const SLOPE: f32 = 0.01;

// @ts-ignore: decorator
@inline
function activate<A>(x: v128): v128 {
  if (idof<A>() == idof<Relu>()) return f32x4.pmax(x, f32x4.splat(0));
  if (idof<A>() == idof<Gelu>()) return gelu(x);
  if (idof<A>() == idof<Silu>()) return silu(x);
  if (idof<A>() == idof<Tanh>()) return tanh(x);
  if (idof<A>() == idof<Elu>()) {
    return v128.bitselect(x, expMinusOne(x), f32x4.gt(x, f32x4.splat(0)));
  }
  if (idof<A>() == idof<LeakyRelu>()) {
    const below = f32x4.mul(x, f32x4.splat(SLOPE));
    return v128.bitselect(below, x, f32x4.lt(x, f32x4.splat(0)));
  }
  if (idof<A>() == idof<Sine>()) return sine(x);
  return x;
}

/** The derivative at z, times d; `y` is the activation's value there. */
// @ts-ignore: decorator
@inline
function activateGradient<A>(z: v128, y: v128, d: v128): v128 {
  const one = f32x4.splat(1);
  // Where y is not ≤ 0, so that a NaN does not become a zero.
  if (idof<A>() == idof<Relu>()) return v128.andnot(d, f32x4.le(y, f32x4.splat(0)));
  if (idof<A>() == idof<Gelu>()) return f32x4.mul(d, geluSlope(z, y));
  if (idof<A>() == idof<Silu>()) return f32x4.mul(d, siluSlope(z));
  if (idof<A>() == idof<Tanh>()) return f32x4.mul(d, f32x4.sub(one, f32x4.mul(y, y)));
  if (idof<A>() == idof<Elu>()) {
    // y + 1 is eᶻ.
    const slope = v128.bitselect(one, f32x4.add(y, one), f32x4.gt(y, f32x4.splat(0)));
    return f32x4.mul(d, slope);
  }
  if (idof<A>() == idof<LeakyRelu>()) {
    const below = f32x4.mul(d, f32x4.splat(SLOPE));
    return v128.bitselect(below, d, f32x4.le(y, f32x4.splat(0)));
  }
  if (idof<A>() == idof<Sine>()) return f32x4.mul(d, cosine(z));
  return d;
}

/** z += bias (0: none), out = activation(z); z and out may be the same. With `half`, out is
 * bfloat16, and z is float32 all the same. */
export function biasActivation(
  kind: i32,
  z: usize,
  bias: usize,
  out: usize,
  rows: u32,
  columns: u32,
  half: bool,
): void {
  if (bias != 0 && columns == 1) {
    // One column is as long as the bias: no row by row.
    add(z, bias, z, rows);
    bias = 0;
  }
  if (bias == 0) {
    columns *= rows;
    rows = columns == 0 ? 0 : 1;
  }
  if (!half) {
    applied(kind, z, bias, out, rows, columns);
    return;
  }
  for (; rows; rows--) {
    for (let done: u32 = 0; done < columns; done += ROUNDED_TILE) {
      const count = min(ROUNDED_TILE, columns - done);
      applied(kind, z, bias, WIDE_TILE, 1, count);
      encodeBfloat16(WIDE_TILE, out, count);
      z += <usize>count << 2;
      out += <usize>count << 1;
    }
    if (bias != 0) bias += 4;
  }
}

function applied(
  kind: i32,
  z: usize,
  bias: usize,
  out: usize,
  rows: u32,
  columns: u32,
): void {
  if (kind == RELU) forward<Relu>(z, bias, out, rows, columns);
  else if (kind == GELU) forward<Gelu>(z, bias, out, rows, columns);
  else if (kind == SILU) forward<Silu>(z, bias, out, rows, columns);
  else if (kind == TANH) forward<Tanh>(z, bias, out, rows, columns);
  else if (kind == ELU) forward<Elu>(z, bias, out, rows, columns);
  else if (kind == LEAKY_RELU) forward<LeakyRelu>(z, bias, out, rows, columns);
  else if (kind == SINE) forward<Sine>(z, bias, out, rows, columns);
  else if (bias != 0 || z != out) forward<Identity>(z, bias, out, rows, columns);
}

function forward<A>(z: usize, bias: usize, out: usize, rows: u32, columns: u32): void {
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
    // Two vectors a turn: with more, the functions' constants and intermediate values do not fit the
    // registers.
    for (const endOfTwos = z + (whole & ~31); z < endOfTwos; z += 32) {
      let x0 = v128.load(z);
      let x1 = v128.load(z, 16);
      if (bias != 0) {
        x0 = f32x4.add(x0, b);
        x1 = f32x4.add(x1, b);
      }
      if (write) {
        v128.store(z, x0);
        v128.store(z, x1, 16);
      }
      v128.store(z + shift, activate<A>(x0));
      v128.store(z + shift, activate<A>(x1), 16);
    }
    while (z < end) {
      // Without a bias nothing is added: −0 stays −0.
      const x = bias != 0 ? f32x4.add(v128.load(z), b) : v128.load(z);
      if (write) v128.store(z, x);
      v128.store(z + shift, activate<A>(x));
      z += 16;
    }
    if (some) {
      const count = some >> 2;
      const x = bias != 0 ? f32x4.add(loadSome(z, count), b) : loadSome(z, count);
      if (write) storeSome(z, x, count);
      storeSome(z + shift, activate<A>(x), count);
      z += some;
    }
    out = z + shift;
  }
}

/** dz = dOut · activation′, dBias (0: none) = betaBias · dBias + row sums of dz. With `outHalf`, out is
 * bfloat16: it is not read but computed from z again, which is more exact. With `half`, dz is rounded
 * to bfloat16 when it has been summed. */
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
  outHalf: bool,
  half: bool,
): void {
  if (dBias == 0) {
    if (kind == IDENTITY && dz == dOut) return;
    columns *= rows;
    rows = columns == 0 ? 0 : 1;
  }
  if (!outHalf && !half) {
    differentiated(kind, z, out, dOut, dz, betaBias, dBias, rows, columns);
    return;
  }
  const usesOut = kind != SILU && kind != SINE && kind != IDENTITY;
  for (; rows; rows--) {
    for (let done: u32 = 0; done < columns; done += ROUNDED_TILE) {
      const count = min(ROUNDED_TILE, columns - done);
      const bytes = <usize>count << 2;
      if (outHalf && usesOut) applied(kind, z, 0, ACTIVATION_TILE, 1, count);
      const y = outHalf ? ACTIVATION_TILE : out;
      const beta: f32 = done == 0 ? betaBias : 1;
      differentiated(kind, z, y, dOut, half ? WIDE_TILE : dz, beta, dBias, 1, count);
      if (half) encodeBfloat16(WIDE_TILE, dz, count);
      z += bytes;
      out += outHalf ? bytes >> 1 : bytes;
      dOut += bytes;
      dz += half ? bytes >> 1 : bytes;
    }
    if (dBias != 0) dBias += 4;
  }
}

function differentiated(
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
  if (kind == RELU) backward<Relu>(z, out, dOut, dz, betaBias, dBias, rows, columns);
  else if (kind == GELU) backward<Gelu>(z, out, dOut, dz, betaBias, dBias, rows, columns);
  else if (kind == SILU) backward<Silu>(z, out, dOut, dz, betaBias, dBias, rows, columns);
  else if (kind == TANH) backward<Tanh>(z, out, dOut, dz, betaBias, dBias, rows, columns);
  else if (kind == ELU) backward<Elu>(z, out, dOut, dz, betaBias, dBias, rows, columns);
  else if (kind == LEAKY_RELU) backward<LeakyRelu>(z, out, dOut, dz, betaBias, dBias, rows, columns);
  else if (kind == SINE) backward<Sine>(z, out, dOut, dz, betaBias, dBias, rows, columns);
  else backward<Identity>(z, out, dOut, dz, betaBias, dBias, rows, columns);
}

function backward<A>(
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
  // What a derivative does not use is not read.
  const fromZ =
    idof<A>() == idof<Gelu>() || idof<A>() == idof<Silu>() || idof<A>() == idof<Sine>();
  const fromOut =
    idof<A>() != idof<Silu>() && idof<A>() != idof<Sine>() && idof<A>() != idof<Identity>();
  const zero = f32x4.splat(0);
  for (; rows; rows--) {
    let sums = zero;
    let i: usize = 0;
    for (const twos = whole & ~31; i < twos; i += 32) {
      const x0 = fromZ ? v128.load(z + i) : zero;
      const y0 = fromOut ? v128.load(out + i) : zero;
      const x1 = fromZ ? v128.load(z + i, 16) : zero;
      const y1 = fromOut ? v128.load(out + i, 16) : zero;
      const d0 = activateGradient<A>(x0, y0, v128.load(dOut + i));
      const d1 = activateGradient<A>(x1, y1, v128.load(dOut + i, 16));
      v128.store(dz + i, d0);
      v128.store(dz + i, d1, 16);
      sums = f32x4.add(f32x4.add(sums, d0), d1);
    }
    while (i < whole) {
      const x = fromZ ? v128.load(z + i) : zero;
      const y = fromOut ? v128.load(out + i) : zero;
      const d = activateGradient<A>(x, y, v128.load(dOut + i));
      v128.store(dz + i, d);
      sums = f32x4.add(sums, d);
      i += 16;
    }
    z += whole;
    out += whole;
    dOut += whole;
    dz += whole;
    if (some) {
      const count = some >> 2;
      const x = fromZ ? loadSome(z, count) : zero;
      const y = fromOut ? loadSome(out, count) : zero;
      const d = activateGradient<A>(x, y, loadSome(dOut, count));
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
