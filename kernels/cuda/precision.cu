// Rows in low precision (src/tensor/precision.ts). What is encoded lies at any address; where that is no
// multiple of 8, it is read and written by bytes.

/** Rows whose largest magnitude is below this are zeros in int8. */
#define SMALLEST 1e-36f

/** at: x, bytes. */
KERNEL(encode_bfloat16) {
  const float *x = array<float>(p, 0);
  unsigned char *bytes = array<unsigned char>(p, 1);
  eachFour(p, bits(x) | bits(bytes) << 1, [&](Index i, auto wide) {
    auto values = wide.load(x, i);
    if (wide.width > 1) return wide.storeRounded((unsigned short *)bytes, i, values);
    unsigned half = rounded(values.at[0]);
    bytes[2 * i] = (unsigned char)half;
    bytes[2 * i + 1] = (unsigned char)(half >> 8);
  });
}

/** at: bytes, x. */
KERNEL(decode_bfloat16) {
  const unsigned char *bytes = array<unsigned char>(p, 0);
  float *x = array<float>(p, 1);
  eachFour(p, bits(x) | bits(bytes) << 1, [&](Index i, auto wide) {
    decltype(wide.load(x, i)) values;
    if (wide.width > 1) {
      auto halves = wide.loadHalves((unsigned short *)bytes, i);
      for (unsigned k = 0; k < wide.width; k++) values.at[k] = widened(halves.at[k]);
    } else {
      values.at[0] = widened((unsigned short)(bytes[2 * i] | bytes[2 * i + 1] << 8));
    }
    wide.store(x, i, values);
  });
}

/** at: x, bytes; columns. A block is a row: a float32 scale, then a byte an element. */
KERNEL(encode_int8) {
  __shared__ unsigned part[THREADS];
  const float *x = array<float>(p, 0) + (Index)blockIdx.x * p.columns;
  unsigned char *bytes = array<unsigned char>(p, 1) + (Index)blockIdx.x * (4 + (Index)p.columns);
  // By the bits, whose order is that of magnitudes, with NaN above infinity.
  unsigned most = 0;
  for (unsigned j = threadIdx.x; j < p.columns; j += THREADS) {
    unsigned bits = __float_as_uint(x[j]) & 0x7fffffff;
    if (bits > most) most = bits;
  }
  part[threadIdx.x] = most;
  __syncthreads();
  for (unsigned half = THREADS / 2; half > 0; half >>= 1) {
    if (threadIdx.x < half && part[threadIdx.x + half] > part[threadIdx.x]) {
      part[threadIdx.x] = part[threadIdx.x + half];
    }
    __syncthreads();
  }
  float largest = __uint_as_float(part[0]);
  bool zero = largest < SMALLEST;
  float factor = zero ? 0.0f : 127.0f / largest;
  unsigned scale = __float_as_uint(zero ? 0.0f : largest / 127.0f);
  if (threadIdx.x < 4) bytes[threadIdx.x] = (unsigned char)(scale >> 8 * threadIdx.x);
  for (unsigned j = threadIdx.x; j < p.columns; j += THREADS) {
    float q = rintf(x[j] * factor);
    int byte = q != q ? 0 : q > 127 ? 127 : q < -128 ? -128 : (int)q;
    bytes[4 + j] = (unsigned char)byte;
  }
}

/** at: bytes, x; columns. */
KERNEL(decode_int8) {
  float *x = array<float>(p, 1);
  EACH(i) {
    const unsigned char *row =
        array<unsigned char>(p, 0) + (Index)rowOf(p, i) * (4 + (Index)p.columns);
    unsigned bits = row[0] | row[1] << 8 | row[2] << 16 | (unsigned)row[3] << 24;
    x[i] = __uint_as_float(bits) * (signed char)row[4 + columnOf(p, i)];
  }
}
