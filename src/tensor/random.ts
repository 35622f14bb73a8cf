/**
 * Random numbers by position: draw `index` of the stream (seed, name) is the same value whoever
 * asks for it, in whatever order, on whatever machine.
 *
 * Draws 4i … 4i+3 are the four words of Philox4x32-10 (Salmon et al., "Parallel random numbers: as
 * easy as 1, 2, 3", SC 2011) with the seed as key and the counter (i, 64-bit FNV-1a of the name).
 */
export interface RandomStream {
  /** 32 random bits. Indices are integers in [0, 2^53). */
  uint32(index: number): number;
  /** A multiple of 2^-24 in [0, 1), so exact in float32. Uses the same bits as `uint32(index)`. */
  uniform(index: number): number;
  /** Standard normal (Box-Muller). Draws 2i and 2i+1 come from `uint32` of 2i and 2i+1. */
  normal(index: number): number;
  /** out[i] = low + (high − low) · uniform(firstIndex + i), rounded to float32. */
  fillUniform(out: Float32Array, firstIndex: number, low: number, high: number): void;
  /** out[i] = normal(firstIndex + i), rounded to float32. */
  fillNormal(out: Float32Array, firstIndex: number): void;
  /** A uniformly drawn order of 0 … n−1; n ≤ 2^32. */
  permutation(n: number): Uint32Array;
}

const TWO_32 = 2 ** 32;

/**
 * The random numbers of a stream, each a function of (seed, name, index) alone.
 *
 * @param seed A safe integer ≥ 0.
 * @param name What is drawn (a tensor's or a stream's name): other names, independent draws.
 * @throws RangeError for any other seed.
 */
export function randomStream(seed: number, name: string): RandomStream {
  return new PhiloxStream(seed, name);
}

class PhiloxStream implements RandomStream {
  private readonly key0: number;
  private readonly key1: number;
  private readonly name0: number;
  private readonly name1: number;
  private readonly words = new Uint32Array(4);
  private readonly pair = new Float64Array(2);
  private wordsBlock = -1;

  constructor(seed: number, name: string) {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new RangeError(`seed ${seed}; a seed is an integer from 0 to ${2 ** 53 - 1}`);
    }
    this.key0 = seed | 0;
    this.key1 = (seed / TWO_32) | 0;
    const hash = fnv1a64(name);
    this.name0 = Number(BigInt.asIntN(32, hash));
    this.name1 = Number(BigInt.asIntN(32, hash >> 32n));
  }

  uint32(index: number): number {
    this.fillWords(Math.floor(index / 4));
    return this.words[index % 4] as number;
  }

  uniform(index: number): number {
    return (this.uint32(index) >>> 8) * 2 ** -24;
  }

  normal(index: number): number {
    const odd = index % 2;
    boxMuller(this.uint32(index - odd), this.uint32(index - odd + 1), this.pair);
    return this.pair[odd] as number;
  }

  fillUniform(out: Float32Array, firstIndex: number, low: number, high: number): void {
    const width = high - low;
    for (let i = 0, index = firstIndex; i < out.length; i++, index++) {
      out[i] = low + width * this.uniform(index);
    }
  }

  fillNormal(out: Float32Array, firstIndex: number): void {
    let i = 0;
    if (firstIndex % 2 === 1 && out.length > 0) out[i++] = this.normal(firstIndex);
    for (; i + 1 < out.length; i += 2) {
      boxMuller(this.uint32(firstIndex + i), this.uint32(firstIndex + i + 1), this.pair);
      out[i] = this.pair[0] as number;
      out[i + 1] = this.pair[1] as number;
    }
    if (i < out.length) out[i] = this.normal(firstIndex + i);
  }

  permutation(n: number): Uint32Array {
    const order = new Uint32Array(n);
    for (let i = 0; i < n; i++) order[i] = i;
    let draw = 0;
    for (let last = n - 1; last > 0; last--) {
      const choices = last + 1;
      // Draws at or above the last whole multiple of `choices` would favor small remainders.
      const limit = TWO_32 - (TWO_32 % choices);
      let bits = this.uint32(draw++);
      while (bits >= limit) bits = this.uint32(draw++);
      const other = bits % choices;
      const moved = order[last] as number;
      order[last] = order[other] as number;
      order[other] = moved;
    }
    return order;
  }

  private fillWords(block: number): void {
    if (block === this.wordsBlock) return;
    this.wordsBlock = block;
    const low = block | 0;
    const high = (block / TWO_32) | 0;
    philox4x32(low, high, this.name0, this.name1, this.key0, this.key1, this.words);
  }
}

/** The ten rounds of Philox4x32 on one counter (c0 … c3) and key (k0, k1). */
// A kernel: words, not an object of them.
// oxlint-disable-next-line max-params
export function philox4x32(
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  k0: number,
  k1: number,
  out: Uint32Array,
): void {
  for (let round = 0; round < 10; round++) {
    const low0 = Math.imul(c0, 0xd2511f53);
    const low1 = Math.imul(c2, 0xcd9e8d57);
    const high0 = multiplyHigh(c0, 0xd251, 0x1f53);
    const high1 = multiplyHigh(c2, 0xcd9e, 0x8d57);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + 0x9e3779b9) | 0;
    k1 = (k1 + 0xbb67ae85) | 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/** The upper 32 bits of a · (bHigh · 2^16 + bLow), all unsigned, by halves of 16 bits. */
function multiplyHigh(a: number, bHigh: number, bLow: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const middle = Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16);
  const carry = Math.imul(aLow, bHigh) + (middle & 0xffff);
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (carry >>> 16)) | 0;
}

/** FNV-1a of the name's UTF-8 bytes, 64 bits. */
export function fnv1a64(name: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(name)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash;
}

/*
 * Box-Muller with its own logarithm, sine and cosine: those of Math may differ in their last bits
 * between versions of a JavaScript engine, and a seed must give the same network on all. Only +, −,
 * ·, / and Math.sqrt are used, which IEEE 754 fixes.
 */
function boxMuller(bits0: number, bits1: number, pair: Float64Array): void {
  const radius = Math.sqrt(-2 * logUnit(bits0));
  // The top three bits choose the octant's center line; the rest is an angle in [−π/4, π/4).
  const quadrant = ((bits1 + 0x20000000) >>> 30) & 3;
  const offset = (bits1 - quadrant * 0x40000000) | 0;
  const angle = (offset + 0.5) * (Math.PI * 2 ** -31);
  const square = angle * angle;
  const sine = angle * polynomial(square, SINE);
  const cosine = polynomial(square, COSINE);
  const x = quadrant % 2 === 0 ? cosine : sine;
  const y = quadrant % 2 === 0 ? sine : cosine;
  pair[0] = radius * (quadrant === 0 || quadrant === 3 ? x : -x);
  pair[1] = radius * (quadrant < 2 ? y : -y);
}

/** ln((bits + ½) / 2^32), as e·ln 2 + 2·artanh((m − 1) / (m + 1)) with m in [√½, √2). */
function logUnit(bits: number): number {
  const value = bits + 0.5;
  let exponent = 32 - Math.clz32(bits);
  let mantissa = value / POWERS_OF_TWO[exponent]!;
  if (mantissa < Math.SQRT1_2) {
    mantissa *= 2;
    exponent--;
  }
  const ratio = (mantissa - 1) / (mantissa + 1);
  return (exponent - 32) * Math.LN2 + 2 * ratio * polynomial(ratio * ratio, ARTANH);
}

function polynomial(x: number, coefficients: Float64Array): number {
  let sum = 0;
  for (let i = coefficients.length - 1; i >= 0; i--) sum = sum * x + coefficients[i]!;
  return sum;
}

/** Taylor coefficients in the square of the argument, to below 2^-53 on the reduced ranges. */
const SINE = taylor(9, (i) => 1 / factorial(2 * i + 1), -1);
const COSINE = taylor(10, (i) => 1 / factorial(2 * i), -1);
const ARTANH = taylor(11, (i) => 1 / (2 * i + 1), 1);
const POWERS_OF_TWO = Float64Array.from({ length: 33 }, (_, i) => 2 ** i);

function taylor(terms: number, size: (i: number) => number, sign: number): Float64Array {
  return Float64Array.from({ length: terms }, (_, i) => (i % 2 === 0 ? 1 : sign) * size(i));
}

function factorial(n: number): number {
  return n < 2 ? 1 : n * factorial(n - 1);
}
