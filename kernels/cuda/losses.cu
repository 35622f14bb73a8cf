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
  eachFour(p, bits(z) | bits(target) | bits(dz), [&](Index i, auto wide) {
    Place place(p, i);
    auto x = wide.load(z, i), y = wide.load(target, i), d = x;
    for (unsigned k = 0; k < wide.width; k++, place.next(p)) {
      d.at[k] = 0;
      if (place.column >= p.valid) continue;
      float weight = weights ? weights[place.column] : 1.0f;
      sum += (double)weight * lossOf(p.kind, x.at[k], y.at[k], p.s[0]);
      d.at[k] = p.s[1] * lossSlope(p.kind, x.at[k], y.at[k], p.s[0]) * weight;
    }
    wide.store(dz, i, d);
  });
  leavePart(array<double>(p, 7), sum);
}

/** Columns of a block of `cross_entropy`, and threads of each: as many columns as a sector of memory. */
#define LABELED 8
#define LANES (THREADS / LABELED)

/** A logit and its class. */
struct Logit {
  float value;
  unsigned label;
};

/** Whether a is the winner: a NaN, else the greater, else the first. */
__device__ static bool beats(Logit a, Logit b) {
  bool isNaN = a.value != a.value, equal = a.value == b.value || (isNaN && b.value != b.value);
  if (equal) return a.label < b.label;
  return isNaN || a.value > b.value;
}

/** at: logits, labels, weights or null, dLogits, …, parts of correct (6), parts of losses (7);
 * rows: classes; n: columns; valid; s: factor of dLogits, smoothing.
 * dLogits = factor · weight · (softmax − one-hot), zero past `valid`; with smoothing the one is 1 − s, and
 * every class has s / classes more. A label that is no class gives a NaN loss, as a NaN logit does. */
KERNEL(cross_entropy) {
  __shared__ Logit best[THREADS];
  const float *logits = array<float>(p, 0), *labels = array<float>(p, 1);
  const float *weights = array<float>(p, 2);
  float *d = array<float>(p, 3), smoothing = p.s[1];
  unsigned lane = threadIdx.x / LABELED;
  double losses = 0, correct = 0;
  for (Index from = (Index)blockIdx.x * LABELED; from < p.n; from += (Index)gridDim.x * LABELED) {
    Index j = from + threadIdx.x % LABELED;
    bool valid = j < p.valid;
    // Threads of other columns take part in the sums.
    unsigned classes = valid ? p.rows : 0;
    Logit winner = { __uint_as_float(0xff800000u), ~0u };
    double all = 0;
#pragma unroll 4
    for (unsigned c = lane; c < classes; c += LANES) {
      Logit one = { logits[c * p.n + j], c };
      all += one.value;
      if (beats(one, winner)) winner = one;
    }
    best[threadIdx.x] = winner;
    __syncthreads();
    for (unsigned i = threadIdx.x % LABELED; i < THREADS; i += LABELED) {
      if (beats(best[i], winner)) winner = best[i];
    }
    double sum = 0;
#pragma unroll 4
    for (unsigned c = lane; c < classes; c += LANES) sum += expf(logits[c * p.n + j] - winner.value);
    float label = valid ? labels[j] : 0.0f, weight = weights && valid ? weights[j] : 1.0f;
    bool known = label >= 0 && label < p.rows;
    unsigned own = known ? (unsigned)label : p.rows;
    double z = lane == 0 && valid && known ? logits[own * p.n + j] : 0.0f;
    // After its barriers `best` is free for the next columns, and the logits for the gradient.
    sum = blockSum<LABELED>(sum);
    if (smoothing > 0) all = blockSum<LABELED>(all);
    if (j >= p.n) continue;
    if (valid && lane == 0) {
      if (known) {
        if (smoothing > 0) z += smoothing * (all / p.rows - z);
        losses += weight * (log(sum) + ((double)winner.value - z));
        correct += winner.label == own;
      } else {
        losses = nan("");
      }
    }
    float factor = p.s[0] * weight, inverse = (float)(1 / sum);
#pragma unroll 4
    for (unsigned c = lane; c < p.rows; c += LANES) {
      Index i = c * p.n + j;
      float share = valid ? expf(logits[i] - winner.value) * inverse : 0.0f;
      float target = (c == own ? 1 - smoothing : 0.0f) + (known ? smoothing / p.rows : 0.0f);
      d[i] = valid ? factor * (share - target) : 0.0f;
    }
  }
  leavePart(array<double>(p, 6), correct);
  leavePart(array<double>(p, 7), losses);
}
