// Dropout by position, as in kernels/dropout.ts: the words of Philox4x32-10 (Salmon et al., SC 2011) of a
// column are those of four rows.

/** at: x, out; n: groups of four rows · columns; rows; columns; s: 1 / (1 − rate);
 * u: first row, first column, threshold, two words of the key, step, layer.
 * out = x · s where the word of an element is not below the threshold, else 0; out may be x. */
KERNEL(dropout) {
  const float *x = array<float>(p, 0);
  float *out = array<float>(p, 1);
  unsigned firstRow = p.u[0];
  EACH(i) {
    unsigned group = (firstRow >> 2) + rowOf(p, i), column = columnOf(p, i);
    unsigned c0 = p.u[1] + column, c1 = group, c2 = p.u[5], c3 = p.u[6];
    unsigned k0 = p.u[3], k1 = p.u[4];
    for (int round = 0; round < 10; round++) {
      unsigned next0 = __umulhi(c2, 0xcd9e8d57u) ^ c1 ^ k0;
      unsigned next2 = __umulhi(c0, 0xd2511f53u) ^ c3 ^ k1;
      c1 = c2 * 0xcd9e8d57u;
      c3 = c0 * 0xd2511f53u;
      c0 = next0;
      c2 = next2;
      k0 += 0x9e3779b9u;
      k1 += 0xbb67ae85u;
    }
    for (unsigned r = 0; r < 4; r++) {
      // Rows of the group that lie before the first wrap around, and are past the last.
      unsigned row = (group << 2) + r - firstRow;
      if (row >= p.rows) continue;
      unsigned word = r == 0 ? c0 : r == 1 ? c1 : r == 2 ? c2 : c3;
      Index at = (Index)row * p.columns + column;
      out[at] = word >= p.u[2] ? x[at] * p.s[0] : 0.0f;
    }
  }
}
