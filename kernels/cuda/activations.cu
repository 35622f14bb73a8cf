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
  EACH(i) {
    float x = z[i];
    if (bias) z[i] = x = x + bias[rowOf(p, i)];
    float y = activation(p.kind, x);
    if (p.flags & 1) array<unsigned short>(p, 2)[i] = rounded(y);
    else array<float>(p, 2)[i] = y;
  }
}

/** at: z, out, dOut, dz, dBias or null; columns; kind; s: betaBias; flags: 1, out is bfloat16; 2, dz is.
 * A block is a row. dz = dOut · activation′(z), dBias = betaBias · dBias + Σ over the row, before it is
 * rounded; dz may be dOut. The activation is computed again where its output is bfloat16. */
KERNEL(bias_activation_gradient) {
  const float *z = array<float>(p, 0), *dOut = array<float>(p, 2);
  float *dBias = array<float>(p, 4);
  double sum = 0;
  Index start = (Index)blockIdx.x * p.columns;
  for (unsigned j = threadIdx.x; j < p.columns; j += THREADS) {
    Index i = start + j;
    float y = p.flags & 1 ? activation(p.kind, z[i]) : array<float>(p, 1)[i];
    float d = dOut[i] * slope(p.kind, z[i], y);
    if (p.flags & 2) array<unsigned short>(p, 3)[i] = rounded(d);
    else array<float>(p, 3)[i] = d;
    sum += d;
  }
  if (!dBias) return;
  sum = blockSum(sum);
  if (threadIdx.x != 0) return;
  dBias[blockIdx.x] = (float)(p.s[0] == 0 ? sum : p.s[0] * (double)dBias[blockIdx.x] + sum);
}
