import { loadSome, storeSome } from './simd';

// Dropout by position: whether an element stays is a function of a key, a draw, the element's row
// and its column. Four rows of four columns at a time: the words of Philox4x32-10 (Salmon et al.,
// "Parallel random numbers: as easy as 1, 2, 3", SC 2011) of a column are those of four rows, so
// that a part of a matrix takes what the whole takes, wherever it begins.

/** Products of four 32-bit words by a constant: the lower halves. */
// @ts-ignore: decorator
@inline
function low(a: v128, b: v128): v128 {
  return i32x4.mul(a, b);
}

/** The upper halves, unsigned. */
// @ts-ignore: decorator
@inline
function high(a: v128, b: v128): v128 {
  const first = i64x2.extmul_low_i32x4_u(a, b);
  const second = i64x2.extmul_high_i32x4_u(a, b);
  return v128.shuffle<i32>(first, second, 1, 3, 5, 7);
}

/** An element stays where its word is not below the threshold. */
// @ts-ignore: decorator
@inline
function keep(x: v128, scale: v128, word: v128, threshold: v128): v128 {
  return v128.and(f32x4.mul(x, scale), i32x4.ge_u(word, threshold));
}

/**
 * out = x · scale where an element stays, else 0; out may be x.
 *
 * @param row of the matrix's first row, @param column and of its first column, in the whole
 * @param threshold an element is dropped with a probability of threshold / 2³²
 */
export function dropout(
  x: usize,
  out: usize,
  rows: u32,
  columns: u32,
  row: u32,
  column: u32,
  threshold: u32,
  scale: f32,
  key0: u32,
  key1: u32,
  draw0: u32,
  draw1: u32,
): void {
  const stride: usize = (<usize>columns) << 2;
  const factor = f32x4.splat(scale);
  const limit = i32x4.splat(threshold);
  const m0 = i32x4.splat(0xd2511f53);
  const m1 = i32x4.splat(0xcd9e8d57);
  const end = row + rows;
  while (row < end) {
    // Rows of one group of four: all of them but at the ends.
    const group = row >> 2;
    const from = row & 3;
    const count = min<u32>(4 - from, end - row);
    let lanes = i32x4.add(i32x4.splat(column), i32x4(0, 1, 2, 3));
    for (let c: u32 = 0; c < columns; c += 4) {
      let c0 = lanes;
      let c1 = i32x4.splat(group);
      let c2 = i32x4.splat(draw0);
      let c3 = i32x4.splat(draw1);
      let k0 = key0;
      let k1 = key1;
      for (let round = 0; round < 10; round++) {
        const next0 = v128.xor(v128.xor(high(c2, m1), c1), i32x4.splat(k0));
        const next2 = v128.xor(v128.xor(high(c0, m0), c3), i32x4.splat(k1));
        c1 = low(c2, m1);
        c3 = low(c0, m0);
        c0 = next0;
        c2 = next2;
        k0 += 0x9e3779b9;
        k1 += 0xbb67ae85;
      }
      const here = columns - c;
      let at: usize = (<usize>c) << 2;
      for (let r: u32 = from; r < from + count; r++, at += stride) {
        const word = r == 0 ? c0 : r == 1 ? c1 : r == 2 ? c2 : c3;
        if (here >= 4) {
          v128.store(out + at, keep(v128.load(x + at), factor, word, limit));
        } else {
          storeSome(out + at, keep(loadSome(x + at, here), factor, word, limit), here);
        }
      }
      lanes = i32x4.add(lanes, i32x4.splat(4));
    }
    row += count;
    x += stride * count;
    out += stride * count;
  }
}
