// Activations by number: `kernel` in src/engines/activations.ts.
enum { RELU, GELU, SILU, TANH, IDENTITY, ELU, LEAKY_RELU, SINE };

__device__ static float activation(unsigned kind, float x) {
  switch (kind) {
    case RELU: return x < 0 ? 0.0f : x;
    case GELU: return 0.5f * x * erfcf(-x * 0.70710678f);
    case SILU: return x / (1.0f + expf(-x));
    case TANH: return tanhf(x);
    case ELU: return x > 0 ? x : expm1f(x);
    case LEAKY_RELU: return x > 0 ? x : 0.01f * x;
    case SINE: return sinf(x);
    default: return x;
  }
}

/** Of x, whose activation is y. */
__device__ static float slope(unsigned kind, float x, float y) {
  switch (kind) {
    case RELU: return x <= 0 ? 0.0f : 1.0f;
    case GELU: return 0.5f * erfcf(-x * 0.70710678f) + x * 0.39894228f * expf(-0.5f * x * x);
    case SILU: {
      float s = 1.0f / (1.0f + expf(-x));
      return s * (1.0f + x * (1.0f - s));
    }
    case TANH: return 1.0f - y * y;
    case ELU: return x > 0 ? 1.0f : expf(x);
    case LEAKY_RELU: return x > 0 ? 1.0f : 0.01f;
    case SINE: return cosf(x);
    default: return 1.0f;
  }
}

/** at: z, bias or null, out; columns; kind; flags: 1, out is bfloat16.
 * z += bias of its row, out = activation(z); out may be z. */
KERNEL(bias_activation) {
  float *z = array<float>(p, 0);
  const float *bias = array<float>(p, 1);
  bool half = p.flags & 1;
  eachFour(p, bits(z) | bits(p.at[2]) << half, [&](Index i, auto wide) {
    auto x = wide.load(z, i);
    if (bias) {
      Place place(p, i);
      for (unsigned k = 0; k < wide.width; k++, place.next(p)) x.at[k] += bias[place.row];
      wide.store(z, i, x);
    }
    for (unsigned k = 0; k < wide.width; k++) x.at[k] = activation(p.kind, x.at[k]);
    if (half) wide.storeRounded(array<unsigned short>(p, 2), i, x);
    else wide.store(array<float>(p, 2), i, x);
  });
}

/** Rows of so many columns at most have a warp each, longer ones a block. */
#define NARROW 1024

/** at: z, out, dOut, dz, dBias or null; rows; columns; kind; s: betaBias; flags: 1, out is bfloat16; 2, dz is.
 * dz = dOut · activation′(z), dBias = betaBias · dBias + Σ over the row, before it is
 * rounded; dz may be dOut. The activation is computed again where its output is bfloat16. */
KERNEL(bias_activation_gradient) {
  const float *z = array<float>(p, 0), *out = array<float>(p, 1), *dOut = array<float>(p, 2);
  float *dBias = array<float>(p, 4);
  bool narrow = p.columns <= NARROW, again = p.flags & 1, half = p.flags & 2;
  unsigned team = narrow ? WARP : THREADS, member = threadIdx.x % team;
  Index row = (Index)blockIdx.x * (THREADS / team) + threadIdx.x / team, start = row * p.columns;
  // Threads without a row take part in the sums.
  Index columns = row < p.rows ? p.columns : 0;
  Index addresses = bits(z) | (again ? 0 : bits(out)) | bits(dOut) | bits(p.at[3]) << half | columns * 4;
  double sum = 0;
  eachFour(columns, member, team, addresses, [&](Index j, auto wide) {
    Index i = start + j;
    auto x = wide.load(z, i), d = wide.load(dOut, i);
    auto y = again ? x : wide.load(out, i);
    for (unsigned k = 0; k < wide.width; k++) {
      float value = again ? activation(p.kind, x.at[k]) : y.at[k];
      d.at[k] *= slope(p.kind, x.at[k], value);
      sum += d.at[k];
    }
    if (half) wide.storeRounded(array<unsigned short>(p, 3), i, d);
    else wide.store(array<float>(p, 3), i, d);
  });
  if (!dBias) return;
  sum = narrow ? warpSum(sum) : blockSum(sum);
  if (member != 0 || row >= p.rows) return;
  dBias[row] = (float)(p.s[0] == 0 ? sum : p.s[0] * (double)dBias[row] + sum);
}
