// Kernels of whole columns: sums down each, and a factor for each.

/** Added to the mean square of a column before its root is taken. */
#define EPSILON 1e-6

/** Columns that a block sums, by THREADS / COLUMNS threads each. */
#define COLUMNS 32

/** at: a, b, out, parts or null; rows; columns; u: rows of a range. A block has columns of a range of rows, whose sum is
 * a part for `finish_columns`, or all of it. out[c] = Σ over rows of a · b, in float64 */
KERNEL(column_dots) {
  const float *a = array<float>(p, 0), *b = array<float>(p, 1);
  double *parts = array<double>(p, 3);
  unsigned blocks = (p.columns + COLUMNS - 1) / COLUMNS, range = blockIdx.x / blocks;
  unsigned lane = threadIdx.x / COLUMNS, c = blockIdx.x % blocks * COLUMNS + threadIdx.x % COLUMNS;
  Index from = (Index)range * p.u[0], end = from + p.u[0];
  if (end > p.rows) end = p.rows;
  double sum = 0;
  if (c < p.columns) {
#pragma unroll 4
    for (Index r = from + lane; r < end; r += THREADS / COLUMNS) {
      Index i = r * p.columns + c;
      sum += (double)a[i] * b[i];
    }
  }
  sum = blockSum<COLUMNS>(sum);
  if (lane > 0 || c >= p.columns) return;
  if (parts) parts[(Index)range * p.columns + c] = sum;
  else array<float>(p, 2)[c] = (float)sum;
}

/** at: parts, out; rows: parts of a column; n: columns. out[c] = Σ over parts */
KERNEL(finish_columns) {
  const double *parts = array<double>(p, 0);
  EACH(c) {
    double sum = 0;
#pragma unroll 8
    for (unsigned r = 0; r < p.rows; r++) sum += parts[r * p.n + c];
    array<float>(p, 1)[c] = (float)sum;
  }
}

/** Of the columns of a group of four, or of one element. */
template <unsigned W>
__device__ static Floats<W> factorsOf(const Arguments &p, const float *factors, Index i, Wide<W> wide) {
  Place place(p, i);
  if (p.columns % 4 == 0) return wide.load(factors, place.column);
  Floats<W> values;
  for (unsigned k = 0; k < W; k++, place.next(p)) values.at[k] = factors[place.column];
  return values;
}

/** at: x, factors, out; columns. out = x · factors[c] */
KERNEL(scale_columns) {
  const float *x = array<float>(p, 0), *factors = array<float>(p, 1);
  float *out = array<float>(p, 2);
  eachFour(p, bits(x) | bits(factors) | bits(out), [&](Index i, auto wide) {
    auto value = wide.load(x, i), factor = factorsOf(p, factors, i, wide);
    for (unsigned k = 0; k < wide.width; k++) value.at[k] *= factor.at[k];
    wide.store(out, i, value);
  });
}

/** at: x, factors, y; columns. y += x · factors[c] */
KERNEL(add_scaled_columns) {
  const float *x = array<float>(p, 0), *factors = array<float>(p, 1);
  float *y = array<float>(p, 2);
  eachFour(p, bits(x) | bits(factors) | bits(y), [&](Index i, auto wide) {
    auto value = wide.load(x, i), factor = factorsOf(p, factors, i, wide), sum = wide.load(y, i);
    for (unsigned k = 0; k < wide.width; k++) sum.at[k] += value.at[k] * factor.at[k];
    wide.store(y, i, sum);
  });
}

/** at: sums, out; rows: parts; n: columns; valid: count. out[c] = 1 / √(Σ over parts / count + ε) */
KERNEL(inverse_rms) {
  const float *sums = array<float>(p, 0);
  float *out = array<float>(p, 1);
  EACH(c) {
    double sum = 0;
    for (Index part = 0; part < p.rows; part++) sum += sums[part * p.n + c];
    out[c] = (float)(1.0 / sqrt(sum / p.valid + EPSILON));
  }
}

/** at: dots, inverse, out; n: columns; valid: count. out[c] = −dots · inverse³ / count */
KERNEL(rms_correction) {
  const float *dots = array<float>(p, 0), *inverse = array<float>(p, 1);
  float *out = array<float>(p, 2);
  EACH(c) {
    double r = inverse[c];
    out[c] = (float)(-(double)dots[c] * r * r * r / p.valid);
  }
}
