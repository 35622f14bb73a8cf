// Kernels of single elements, and sums over all of them. Sums are in float64, and their order depends on
// the number of elements alone.

/** at: a, b, out. out = a + b */
KERNEL(add) {
  const float *a = array<float>(p, 0), *b = array<float>(p, 1);
  float *out = array<float>(p, 2);
  EACH(i) out[i] = a[i] + b[i];
}

/** at: a, b, out. out = a · b */
KERNEL(multiply) {
  const float *a = array<float>(p, 0), *b = array<float>(p, 1);
  float *out = array<float>(p, 2);
  EACH(i) out[i] = a[i] * b[i];
}

/** at: x, y; s: alpha. y += alpha · x */
KERNEL(axpy) {
  const float *x = array<float>(p, 0);
  float *y = array<float>(p, 1);
  EACH(i) y[i] += p.s[0] * x[i];
}

/** at: x; s: alpha. x *= alpha */
KERNEL(scale) {
  float *x = array<float>(p, 0);
  EACH(i) x[i] *= p.s[0];
}

/** at: c; u: distance of rows; s: beta. c [rows, columns] *= beta; with beta = 0 it is not read. */
KERNEL(scale_matrix) {
  float *c = array<float>(p, 0);
  EACH(i) {
    Index at = (Index)rowOf(p, i) * p.u[0] + columnOf(p, i);
    c[at] = p.s[0] == 0 ? 0.0f : p.s[0] * c[at];
  }
}

/** at: x, …, parts (7). A part of Σ x² a block. */
KERNEL(sum_of_squares) {
  const float *x = array<float>(p, 0);
  double sum = 0;
  EACH(i) sum += (double)x[i] * x[i];
  leavePart(array<double>(p, 7), sum);
}

/** at: table of x, …, parts (7). The same of each row of the table, with the blocks that it would have alone. */
KERNEL(sums_of_squares) {
  Row row = rowOfBlock(p);
  const float *x = arrayOf<float>(row, 0);
  double sum = 0;
  EACH_OF(row, i) sum += (double)x[i] * x[i];
  leavePart(array<double>(p, 7), sum);
}

/** at: parts, out; n: parts. One block. */
KERNEL(finish_sum) {
  double sum = sumOfParts(array<double>(p, 0), p.n);
  if (threadIdx.x == 0) *array<double>(p, 1) = sum;
}

/** at: table, parts, out. A block is a row of the table. */
KERNEL(finish_sums) {
  Row row = array<Row>(p, 0)[blockIdx.x];
  double sum = sumOfParts(array<double>(p, 1) + row.first, row.blocks);
  if (threadIdx.x == 0) array<double>(p, 2)[blockIdx.x] = sum;
}
