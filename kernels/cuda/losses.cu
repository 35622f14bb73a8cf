// Losses of feature-major [rows, columns] arrays, of their first `valid` columns.

// Element-wise losses by number: `kernel` in src/engines/element-losses.ts.
enum { SQUARED, ABSOLUTE, HUBER, QUANTILE, POISSON, BINARY };

/** Zeros and ones, moved by q / 2 towards one half. */
__device__ static float smoothed(float y, float q) {
  return y * (1 - q) + 0.5f * q;
}

/** Of output z and target y, with the loss's parameter q. A NaN of z gives NaN. */
__device__ static double lossOf(unsigned kind, float z, float y, float q) {
  float e = z - y, size = fabsf(e);
  switch (kind) {
    case SQUARED: return (double)e * e;
    case ABSOLUTE: return size;
    case HUBER: return size <= q ? 0.5f * e * e : q * (size - 0.5f * q);
    case QUANTILE: return e * (e > 0 ? 1 - q : -q);
    case POISSON: return expf(z) - y * z + (y > 0 ? y * logf(y) - y : 0.0f);
    default: return (z > 0 ? z : 0.0f) - z * smoothed(y, q) + log1pf(expf(-fabsf(z)));
  }
}

/** The derivative by z, of squares half of it. */
__device__ static float lossSlope(unsigned kind, float z, float y, float q) {
  float e = z - y;
  switch (kind) {
    case SQUARED: return e;
    case ABSOLUTE: return e == 0 ? 0.0f : copysignf(1.0f, e);
    case HUBER: return fabsf(e) <= q ? e : copysignf(q, e);
    case QUANTILE: return e == 0 ? 0.0f : e > 0 ? 1 - q : -q;
    case POISSON: return expf(z) - y;
    default: return 1.0f / (1.0f + expf(-z)) - smoothed(y, q);
  }
}

/** at: z, target, weights or null, dz, …, parts (7); columns; valid; kind; s: parameter, factor of dz.
 * A part of Σ weight · loss a block; dz = factor · weight · slope, zero past `valid`. */
KERNEL(element_loss) {
  const float *z = array<float>(p, 0), *target = array<float>(p, 1), *weights = array<float>(p, 2);
  float *dz = array<float>(p, 3);
  double sum = 0;
  EACH(i) {
    unsigned c = columnOf(p, i);
    if (c >= p.valid) {
      dz[i] = 0;
      continue;
    }
    float x = z[i], y = target[i], weight = weights ? weights[c] : 1.0f;
    sum += (double)weight * lossOf(p.kind, x, y, p.s[0]);
    dz[i] = p.s[1] * lossSlope(p.kind, x, y, p.s[0]) * weight;
  }
  leavePart(array<double>(p, 7), sum);
}

/** at: logits, labels, weights or null, dLogits, …, parts of correct (6), parts of losses (7);
 * rows: classes; n: columns; valid; s: factor of dLogits, smoothing.
 * A thread is a column. dLogits = factor · weight · (softmax − one-hot), zero past `valid`; with
 * smoothing the one is 1 − s, and every class has s / classes more. A label that is no class gives a
 * NaN loss, as a NaN logit does. */
KERNEL(cross_entropy) {
  const float *logits = array<float>(p, 0), *labels = array<float>(p, 1);
  const float *weights = array<float>(p, 2);
  float *d = array<float>(p, 3);
  double losses = 0, correct = 0;
  EACH(j) {
    if (j >= p.valid) {
      for (Index c = 0; c < p.rows; c++) d[c * p.n + j] = 0;
      continue;
    }
    // Neither smaller nor equal: a NaN wins, and nothing wins against it.
    float greatest = logits[j], label = labels[j];
    unsigned winner = 0;
    double all = 0;
    for (Index c = 0; c < p.rows; c++) {
      float x = logits[c * p.n + j];
      all += x;
      if (greatest != greatest || x <= greatest) continue;
      greatest = x;
      winner = (unsigned)c;
    }
    double sum = 0;
    for (Index c = 0; c < p.rows; c++) sum += expf(logits[c * p.n + j] - greatest);
    bool known = label >= 0 && label < p.rows;
    Index own = known ? (Index)label : p.rows;
    float weight = weights ? weights[j] : 1.0f, smoothing = p.s[1];
    if (known) {
      double z = logits[own * p.n + j];
      if (smoothing > 0) z += smoothing * (all / p.rows - z);
      losses += weight * (log(sum) + ((double)greatest - z));
      correct += winner == own;
    } else {
      losses = nan("");
    }
    float factor = p.s[0] * weight, inverse = (float)(1 / sum);
    for (Index c = 0; c < p.rows; c++) {
      float share = expf(logits[c * p.n + j] - greatest) * inverse;
      float target = (c == own ? 1 - smoothing : 0.0f) + (known ? smoothing / p.rows : 0.0f);
      d[c * p.n + j] = factor * (share - target);
    }
  }
  leavePart(array<double>(p, 6), correct);
  leavePart(array<double>(p, 7), losses);
}
