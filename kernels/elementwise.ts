// Kernels that touch each element once and need no function of it.

/** out = a + b; any two may be the same. */
export function add(a: usize, b: usize, out: usize, count: u32): void {
  const bytes: usize = (<usize>count) << 2;
  const whole: usize = bytes & ~63;
  let i: usize = 0;
  for (; i < whole; i += 64) {
    v128.store(out + i, f32x4.add(v128.load(a + i), v128.load(b + i)));
    v128.store(out + i, f32x4.add(v128.load(a + i, 16), v128.load(b + i, 16)), 16);
    v128.store(out + i, f32x4.add(v128.load(a + i, 32), v128.load(b + i, 32)), 32);
    v128.store(out + i, f32x4.add(v128.load(a + i, 48), v128.load(b + i, 48)), 48);
  }
  for (; i < bytes; i += 4) store<f32>(out + i, load<f32>(a + i) + load<f32>(b + i));
}
