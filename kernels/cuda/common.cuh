// What all kernels share. The files of this folder are compiled as one source by NVRTC, when an engine is
// made. They include nothing, so that NVRTC needs no headers.

typedef unsigned long long Index;

/** Threads of a block, in every kernel. */
#define THREADS 256

#define KERNEL(name) \
  extern "C" __global__ void __launch_bounds__(THREADS) name(const __grid_constant__ Arguments p)

/** Every element, whatever the number of blocks. */
#define EACH(i) \
  for (Index i = (Index)blockIdx.x * THREADS + threadIdx.x; i < p.n; i += (Index)gridDim.x * THREADS)

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

/** Every element of a row, whatever the number of its blocks. */
#define EACH_OF(row, i) \
  for (Index i = (Index)(blockIdx.x - row.first) * THREADS + threadIdx.x; i < row.n; \
       i += (Index)row.blocks * THREADS)

/** Row and column of an element. Division of 64 bits is slow, and seldom needed. */
__device__ static unsigned rowOf(const Arguments &p, Index i) {
  return p.n >> 32 ? (unsigned)(i / p.columns) : (unsigned)i / p.columns;
}
__device__ static unsigned columnOf(const Arguments &p, Index i) {
  return p.n >> 32 ? (unsigned)(i % p.columns) : (unsigned)i % p.columns;
}

/** The nearest bfloat16, ties to even; a NaN stays one. */
__device__ static unsigned short rounded(float x) {
  unsigned bits = __float_as_uint(x);
  if (x != x) return (unsigned short)(bits >> 16 | 0x40);
  return (unsigned short)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
__device__ static float widened(unsigned short half) {
  return __uint_as_float((unsigned)half << 16);
}

/** Σ over the threads of a block, by a fixed tree; every thread gets it. */
__device__ static double blockSum(double value) {
  __shared__ double part[THREADS];
  part[threadIdx.x] = value;
  __syncthreads();
  for (unsigned half = THREADS / 2; half > 0; half >>= 1) {
    if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
    __syncthreads();
  }
  double sum = part[0];
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
