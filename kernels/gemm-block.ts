import { madd } from './simd';

/**
 * The register block: four rows times a panel of eight columns, for `panels` panels in turn.
 *
 * Eight sums, four broadcast values, two vectors of the panel and a product fill the sixteen
 * vector registers of x86. The inner loop is unrolled with an exit after every step, and the
 * exits are what makes it fast: engines that order code by data flow would otherwise move all
 * loads of the body to its top, and spill.
 */
export function multiplyPanels(
  panels: u32,
  inner: u32,
  a0: usize,
  a1: usize,
  a2: usize,
  a3: usize,
  b: usize,
  alpha: f32,
  beta: f32,
  c: usize,
  lineC: usize,
): void {
  const bytes = <usize>inner << 2;
  const end = a0 + bytes - 4;
  for (; panels; panels--) {
    let s00 = f32x4.splat(0);
    let s01 = f32x4.splat(0);
    let s10 = f32x4.splat(0);
    let s11 = f32x4.splat(0);
    let s20 = f32x4.splat(0);
    let s21 = f32x4.splat(0);
    let s30 = f32x4.splat(0);
    let s31 = f32x4.splat(0);
    let b0: v128, b1: v128, x: v128;
    while (true) {
      b0 = v128.load(b);
      b1 = v128.load(b, 16);
      x = v128.load32_splat(a0);
      s00 = madd(x, b0, s00);
      s01 = madd(x, b1, s01);
      x = v128.load32_splat(a1);
      s10 = madd(x, b0, s10);
      s11 = madd(x, b1, s11);
      x = v128.load32_splat(a2);
      s20 = madd(x, b0, s20);
      s21 = madd(x, b1, s21);
      x = v128.load32_splat(a3);
      s30 = madd(x, b0, s30);
      s31 = madd(x, b1, s31);
      if (a0 == end) break;
      b0 = v128.load(b, 32);
      b1 = v128.load(b, 48);
      x = v128.load32_splat(a0, 4);
      s00 = madd(x, b0, s00);
      s01 = madd(x, b1, s01);
      x = v128.load32_splat(a1, 4);
      s10 = madd(x, b0, s10);
      s11 = madd(x, b1, s11);
      x = v128.load32_splat(a2, 4);
      s20 = madd(x, b0, s20);
      s21 = madd(x, b1, s21);
      x = v128.load32_splat(a3, 4);
      s30 = madd(x, b0, s30);
      s31 = madd(x, b1, s31);
      if (a0 == end - 4) break;
      b0 = v128.load(b, 64);
      b1 = v128.load(b, 80);
      x = v128.load32_splat(a0, 8);
      s00 = madd(x, b0, s00);
      s01 = madd(x, b1, s01);
      x = v128.load32_splat(a1, 8);
      s10 = madd(x, b0, s10);
      s11 = madd(x, b1, s11);
      x = v128.load32_splat(a2, 8);
      s20 = madd(x, b0, s20);
      s21 = madd(x, b1, s21);
      x = v128.load32_splat(a3, 8);
      s30 = madd(x, b0, s30);
      s31 = madd(x, b1, s31);
      if (a0 == end - 8) break;
      b0 = v128.load(b, 96);
      b1 = v128.load(b, 112);
      x = v128.load32_splat(a0, 12);
      s00 = madd(x, b0, s00);
      s01 = madd(x, b1, s01);
      x = v128.load32_splat(a1, 12);
      s10 = madd(x, b0, s10);
      s11 = madd(x, b1, s11);
      x = v128.load32_splat(a2, 12);
      s20 = madd(x, b0, s20);
      s21 = madd(x, b1, s21);
      x = v128.load32_splat(a3, 12);
      s30 = madd(x, b0, s30);
      s31 = madd(x, b1, s31);
      if (a0 == end - 12) break;
      a0 += 16;
      a1 += 16;
      a2 += 16;
      a3 += 16;
      b += 128;
    }
    // Back to the rows' starts, on to the next panel.
    const back = (bytes - 4) & ~15;
    a0 -= back;
    a1 -= back;
    a2 -= back;
    a3 -= back;
    b += (bytes - back) << 3;
    storeRow(c, s00, s01, alpha, beta);
    storeRow(c + lineC, s10, s11, alpha, beta);
    storeRow(c + 2 * lineC, s20, s21, alpha, beta);
    storeRow(c + 3 * lineC, s30, s31, alpha, beta);
    c += 32;
  }
}

// @ts-ignore: decorator
@inline
function storeRow(c: usize, s0: v128, s1: v128, alpha: f32, beta: f32): void {
  let left = f32x4.mul(f32x4.splat(alpha), s0);
  let right = f32x4.mul(f32x4.splat(alpha), s1);
  if (beta != 0) {
    left = f32x4.add(left, f32x4.mul(f32x4.splat(beta), v128.load(c)));
    right = f32x4.add(right, f32x4.mul(f32x4.splat(beta), v128.load(c, 16)));
  }
  v128.store(c, left);
  v128.store(c, right, 16);
}
