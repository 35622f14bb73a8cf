// What all kernels share. The files of this folder are compiled as one source by NVRTC, when an engine is
// made. They include nothing, so that NVRTC needs no headers.

typedef unsigned long long Index;

/** Threads of a block, in every kernel, and of a warp. */
#define THREADS 256
#define WARP 32

#define KERNEL(name) \
  extern "C" __global__ void __launch_bounds__(THREADS) name(const __grid_constant__ Arguments p)

/** Every element, whatever the number of blocks. */
#define EACH(i) \
  for (Index i = (Index)blockIdx.x * THREADS + threadIdx.x; i < p.n; i += (Index)gridDim.x * THREADS)

/** Elements beside each other. */
template <unsigned W>
struct alignas(4 * W) Floats {
  float at[W];
};
template <unsigned W>
struct alignas(2 * W) Halves {
  unsigned short at[W];
};

/** The nearest bfloat16, ties to even; a NaN stays one. */
__device__ static unsigned short rounded(float x) {
  unsigned bits = __float_as_uint(x);
  if (x != x) return (unsigned short)(bits >> 16 | 0x40);
  return (unsigned short)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
__device__ static float widened(unsigned short half) {
  return __uint_as_float((unsigned)half << 16);
}

/** Reads and writes `width` elements from i on at once; their address is a multiple of their size. */
template <unsigned W>
struct Wide {
  static const unsigned width = W;
  __device__ static Floats<W> load(const float *x, Index i) { return *(const Floats<W> *)(x + i); }
  __device__ static void store(float *x, Index i, Floats<W> values) { *(Floats<W> *)(x + i) = values; }
  __device__ static Halves<W> loadHalves(const unsigned short *x, Index i) {
    return *(const Halves<W> *)(x + i);
  }
  /** In bfloat16. */
  __device__ static void storeRounded(unsigned short *x, Index i, Floats<W> values) {
    Halves<W> halves;
    for (unsigned k = 0; k < W; k++) halves.at[k] = rounded(values.at[k]);
    *(Halves<W> *)(x + i) = halves;
  }
};

/** Calls body(i, Wide<4>) for groups of four of n elements: those of number first, first + stride, …. A group that is
 * not whole, and all where an address is not a multiple of 16, goes element by element by Wide<1>, in the same
 * order, so that no sum depends on it.
 * @param addresses all of them, by `|`; twice that of an array of bfloat16 */
template <class Body>
__device__ static void eachFour(Index n, Index first, Index stride, Index addresses, Body body) {
  bool aligned = addresses % 16 == 0;
  for (Index i = 4 * first; i < n; i += 4 * stride) {
    if (aligned && n - i >= 4) {
      body(i, Wide<4>());
      continue;
    }
#pragma unroll 1
    for (Index j = i; j < n && j < i + 4; j++) body(j, Wide<1>());
  }
}

/** The same for every element of a launch, whatever the number of blocks. */
template <class Body>
__device__ static void eachFour(const Arguments &p, Index addresses, Body body) {
  eachFour(p.n, (Index)blockIdx.x * THREADS + threadIdx.x, (Index)gridDim.x * THREADS, addresses, body);
}

/** For `addresses`; null does not count. */
__device__ static Index bits(const void *address) {
  return (Index)address;
}

/** The array that is address number `i`. */
template <class T>
__device__ static T *array(const Arguments &p, int i) {
  return (T *)p.at[i];
}

/** The row of a table that a block works on: the last one that begins at it or before. */
__device__ static Row rowOfBlock(const Arguments &p) {
  const Row *table = array<Row>(p, 0);
  unsigned from = 0, to = p.tensors;
  while (to - from > 1) {
    unsigned middle = (from + to) / 2;
    if (table[middle].first <= blockIdx.x) from = middle;
    else to = middle;
  }
  return table[from];
}

/** The array of a row that is number `i`. */
template <class T>
__device__ static T *arrayOf(const Row &row, int i) {
  return (T *)row.at[i];
}

/** `eachFour` for every element of a row, whatever the number of its blocks. */
template <class Body>
__device__ static void eachFour(const Row &row, Index addresses, Body body) {
  Index first = (Index)(blockIdx.x - row.first) * THREADS + threadIdx.x;
  eachFour(row.n, first, (Index)row.blocks * THREADS, addresses, body);
}

/** Row and column of an element. Division of 64 bits is slow, and seldom needed. */
__device__ static unsigned rowOf(const Arguments &p, Index i) {
  return p.n >> 32 ? (unsigned)(i / p.columns) : (unsigned)i / p.columns;
}
__device__ static unsigned columnOf(const Arguments &p, Index i) {
  return p.n >> 32 ? (unsigned)(i % p.columns) : (unsigned)i % p.columns;
}

/** Where an element is, and the next ones, without a division for each. */
struct Place {
  unsigned row, column;
  __device__ Place(const Arguments &p, Index i) {
    row = rowOf(p, i);
    column = (unsigned)(i - (Index)row * p.columns);
  }
  __device__ void next(const Arguments &p) {
    if (++column < p.columns) return;
    column = 0;
    row++;
  }
};

/** Σ over the threads of a warp whose numbers are equal modulo GROUPS, by a fixed tree; each gets it. */
template <unsigned GROUPS = 1>
__device__ static double warpSum(double value) {
  for (unsigned bit = WARP / 2; bit >= GROUPS; bit /= 2) value += __shfl_xor_sync(~0u, value, bit);
  return value;
}

/** The same over the threads of a block, all of which call it. */
template <unsigned GROUPS = 1>
__device__ static double blockSum(double value) {
  __shared__ double part[THREADS / WARP][GROUPS];
  unsigned group = threadIdx.x % GROUPS;
  value = warpSum<GROUPS>(value);
  if (threadIdx.x % WARP < GROUPS) part[threadIdx.x / WARP][group] = value;
  __syncthreads();
  double sum = part[0][group];
  for (unsigned i = 1; i < THREADS / WARP; i++) sum += part[i][group];
  __syncthreads();
  return sum;
}

/** A block's part of a sum over all blocks, which `finish_sum` or `finish_sums` adds up. */
__device__ static void leavePart(double *parts, double value) {
  double sum = blockSum(value);
  if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

/** The sum of parts that blocks have left, by one block; its first thread gets it. */
__device__ static double sumOfParts(const double *parts, Index count) {
  double sum = 0;
  for (Index i = threadIdx.x; i < count; i += THREADS) sum += parts[i];
  return blockSum(sum);
}
