// Kernels of whole columns: sums down each, and a factor for each.

/** Added to the mean square of a column before its root is taken. */
#define EPSILON 1e-6

/** Columns that a block sums, by THREADS / COLUMNS threads each. */
#define COLUMNS 32

/** at: a, b, out; rows; columns. out[c] = Σ over rows of a · b, in float64 */
KERNEL(column_dots) {
  __shared__ double part[THREADS];
  const float *a = array<float>(p, 0), *b = array<float>(p, 1);
  unsigned lane = threadIdx.x / COLUMNS, c = blockIdx.x * COLUMNS + threadIdx.x % COLUMNS;
  double sum = 0;
  if (c < p.columns) {
    for (Index r = lane; r < p.rows; r += THREADS / COLUMNS) {
      Index i = r * p.columns + c;
      sum += (double)a[i] * b[i];
    }
  }
  part[threadIdx.x] = sum;
  __syncthreads();
  if (lane > 0 || c >= p.columns) return;
  for (unsigned t = 1; t < THREADS / COLUMNS; t++) sum += part[threadIdx.x + t * COLUMNS];
  array<float>(p, 2)[c] = (float)sum;
}

/** at: x, factors, out; columns. out = x · factors[c] */
KERNEL(scale_columns) {
  const float *x = array<float>(p, 0), *factors = array<float>(p, 1);
  float *out = array<float>(p, 2);
  EACH(i) out[i] = x[i] * factors[columnOf(p, i)];
}

/** at: x, factors, y; columns. y += x · factors[c] */
KERNEL(add_scaled_columns) {
  const float *x = array<float>(p, 0), *factors = array<float>(p, 1);
  float *y = array<float>(p, 2);
  EACH(i) y[i] += x[i] * factors[columnOf(p, i)];
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
