// Kernels of single elements, and sums over all of them. Sums are in float64, and their order depends on
// the number of elements alone.

/** at: a, b, out. out = a + b */
KERNEL(add) {
  const float *a = array<float>(p, 0), *b = array<float>(p, 1);
  float *out = array<float>(p, 2);
  eachFour(p, bits(a) | bits(b) | bits(out), [&](Index i, auto wide) {
    auto sum = wide.load(a, i), other = wide.load(b, i);
    for (unsigned k = 0; k < wide.width; k++) sum.at[k] += other.at[k];
    wide.store(out, i, sum);
  });
}

/** at: a, b, out. out = a · b */
KERNEL(multiply) {
  const float *a = array<float>(p, 0), *b = array<float>(p, 1);
  float *out = array<float>(p, 2);
  eachFour(p, bits(a) | bits(b) | bits(out), [&](Index i, auto wide) {
    auto product = wide.load(a, i), other = wide.load(b, i);
    for (unsigned k = 0; k < wide.width; k++) product.at[k] *= other.at[k];
    wide.store(out, i, product);
  });
}

/** at: x, y; s: alpha. y += alpha · x */
KERNEL(axpy) {
  const float *x = array<float>(p, 0);
  float *y = array<float>(p, 1);
  eachFour(p, bits(x) | bits(y), [&](Index i, auto wide) {
    auto value = wide.load(x, i), sum = wide.load(y, i);
    for (unsigned k = 0; k < wide.width; k++) sum.at[k] += p.s[0] * value.at[k];
    wide.store(y, i, sum);
  });
}

/** at: x; s: alpha. x *= alpha */
KERNEL(scale) {
  float *x = array<float>(p, 0);
  eachFour(p, bits(x), [&](Index i, auto wide) {
    auto value = wide.load(x, i);
    for (unsigned k = 0; k < wide.width; k++) value.at[k] *= p.s[0];
    wide.store(x, i, value);
  });
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
  eachFour(p, bits(x), [&](Index i, auto wide) {
    auto value = wide.load(x, i);
    for (unsigned k = 0; k < wide.width; k++) sum += (double)value.at[k] * value.at[k];
  });
  leavePart(array<double>(p, 7), sum);
}

/** at: table of x, …, parts (7). The same of each row of the table, with the blocks that it would have alone. */
KERNEL(sums_of_squares) {
  Row row = rowOfBlock(p);
  const float *x = arrayOf<float>(row, 0);
  double sum = 0;
  eachFour(row, bits(x), [&](Index i, auto wide) {
    auto value = wide.load(x, i);
    for (unsigned k = 0; k < wide.width; k++) sum += (double)value.at[k] * value.at[k];
  });
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
