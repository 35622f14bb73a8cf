// cuBLASLt's calls for products, in plain loops: column-major, float32 or bfloat16 operands, float32 sums.
#include "fake.h"

#pragma GCC optimize("O3")

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

enum { FLOAT32 = 0, BFLOAT16 = 14, COMPUTE_FLOAT32 = 68, COMPUTE_TF32 = 77 };
enum { INVALID_VALUE = 7, NOT_SUPPORTED = 15 };

struct Description { int compute, scale, transposeA = 0, transposeB = 0; };
struct Layout { int type; uint64_t rows, columns; int64_t leading; };
struct Preference { uint64_t workspace = 0; uint32_t reductions = 7, alignment[4] = { 256, 256, 256, 256 }; };
/** In the place of the library's own 64 bytes: what the product must not exceed. */
struct Algorithm { uint32_t alignment[4]; uint64_t workspace, mark; uint64_t rest[4]; };
struct Result { Algorithm algorithm; size_t workspace; int state; float waves; int reserved[4]; };
static_assert(sizeof(Algorithm) == 64 && sizeof(Result) == 96, "as in cublasLt.h");
static const uint64_t MARK = 0xa190;
/** What the algorithm takes, so that a workspace too small shows. */
static const uint64_t WORKSPACE = 65536;

static float element(const char *data, int type, uint64_t i) {
  if (type == FLOAT32) return ((const float *)data)[i];
  uint32_t bits = (uint32_t)((const uint16_t *)data)[i] << 16;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}
/** The nearest number with a mantissa of 10 bits. */
static float inTf32(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  bits = (bits + 0x1000) & ~0x1fffu;
  memcpy(&value, &bits, 4);
  return value;
}
/** The operand as rows of `inner` numbers. */
static std::vector<float> unpacked(const char *data, const Layout &layout, bool byColumns, bool tf32) {
  std::vector<float> out(layout.rows * layout.columns);
  for (uint64_t j = 0; j < layout.columns; j++) {
    for (uint64_t i = 0; i < layout.rows; i++) {
      float value = element(data, layout.type, i + j * layout.leading);
      if (tf32) value = inTf32(value);
      out[byColumns ? j * layout.rows + i : i * layout.columns + j] = value;
    }
  }
  return out;
}
static size_t span(const Layout &l) {
  return (l.type == FLOAT32 ? 4 : 2) * ((l.columns - 1) * l.leading + l.rows);
}

extern "C" {
size_t cublasLtGetVersion() { return 130000; }
int cublasLtCreate(void **handle) {
  DEVICE_CALL(cublasLtCreate);
  *handle = (void *)1;
  count(1);
  return 0;
}
int cublasLtDestroy(void *) {
  count(-1);
  return 0;
}
int cublasLtMatmulDescCreate(Description **description, int compute, int scale) {
  CALL(cublasLtMatmulDescCreate);
  if ((compute != COMPUTE_FLOAT32 && compute != COMPUTE_TF32) || scale != FLOAT32) return NOT_SUPPORTED;
  *description = new Description{ compute, scale };
  count(1);
  return 0;
}
int cublasLtMatmulDescDestroy(Description *description) {
  delete description;
  count(-1);
  return 0;
}
int cublasLtMatmulDescSetAttribute(Description *description, int attribute, const void *value, size_t bytes) {
  CALL(cublasLtMatmulDescSetAttribute);
  if (bytes != 4 || (attribute != 3 && attribute != 4)) return INVALID_VALUE;
  memcpy(attribute == 3 ? &description->transposeA : &description->transposeB, value, 4);
  return 0;
}
int cublasLtMatrixLayoutCreate(Layout **layout, int type, uint64_t rows, uint64_t columns, int64_t leading) {
  CALL(cublasLtMatrixLayoutCreate);
  if ((type != FLOAT32 && type != BFLOAT16) || leading < (int64_t)rows) return INVALID_VALUE;
  *layout = new Layout{ type, rows, columns, leading };
  count(1);
  return 0;
}
int cublasLtMatrixLayoutDestroy(Layout *layout) {
  delete layout;
  count(-1);
  return 0;
}
int cublasLtMatmulPreferenceCreate(Preference **preference) {
  CALL(cublasLtMatmulPreferenceCreate);
  *preference = new Preference;
  count(1);
  return 0;
}
int cublasLtMatmulPreferenceDestroy(Preference *preference) {
  delete preference;
  count(-1);
  return 0;
}
int cublasLtMatmulPreferenceSetAttribute(Preference *preference, int attribute, const void *value, size_t bytes) {
  CALL(cublasLtMatmulPreferenceSetAttribute);
  if (attribute == 1 && bytes == 8) memcpy(&preference->workspace, value, 8);
  else if (attribute == 3 && bytes == 4) memcpy(&preference->reductions, value, 4);
  else if (attribute >= 5 && attribute <= 8 && bytes == 4) memcpy(&preference->alignment[attribute - 5], value, 4);
  else return INVALID_VALUE;
  return 0;
}
int cublasLtMatmulAlgoGetHeuristic(void *handle, Description *d, Layout *a, Layout *b, Layout *c, Layout *out,
                                   Preference *preference, int most, Result *results, int *found) {
  DEVICE_CALL(cublasLtMatmulAlgoGetHeuristic);
  if (handle != (void *)1 || most < 1 || out->type != FLOAT32 || c->type != FLOAT32) return INVALID_VALUE;
  if (a->type != b->type || preference->workspace < WORKSPACE) return NOT_SUPPORTED;
  bool tf32 = d->compute == COMPUTE_TF32;
  if (tf32 && a->type != FLOAT32) return NOT_SUPPORTED;
  if ((tf32 || a->type == BFLOAT16) && setting("FAKE_CUDA_CAPABILITY", 90) < 80) return NOT_SUPPORTED;
  uint64_t m = d->transposeA ? a->columns : a->rows, k = d->transposeA ? a->rows : a->columns;
  uint64_t n = d->transposeB ? b->rows : b->columns, k2 = d->transposeB ? b->columns : b->rows;
  if (k != k2 || out->rows != m || out->columns != n) return INVALID_VALUE;
  *results = Result();
  // No kernel loads more than 16 bytes at once.
  for (int i = 0; i < 4; i++) results->algorithm.alignment[i] = std::min(preference->alignment[i], 16u);
  results->algorithm.workspace = results->workspace = WORKSPACE;
  results->algorithm.mark = MARK;
  results->state = injected("state");
  *found = 1;
  return 0;
}
int cublasLtMatmulAlgoCapGetAttribute(const Algorithm *algorithm, int attribute, void *value, size_t bytes, size_t *written) {
  CALL(cublasLtMatmulAlgoCapGetAttribute);
  if (attribute < 16 || attribute > 19 || bytes != 4) return INVALID_VALUE;
  memcpy(value, &algorithm->alignment[attribute - 16], *written = 4);
  return 0;
}
int cublasLtMatmul(void *handle, Description *description, const float *alpha, const char *A, Layout *la,
                   const char *B, Layout *lb, const float *beta, const char *C, Layout *lc, char *D, Layout *ld,
                   const Algorithm *algorithm, char *workspace, size_t bytes, void *stream) {
  DEVICE_CALL(cublasLtMatmul);
  if (handle != (void *)1 || algorithm->mark != MARK || bytes < algorithm->workspace) return INVALID_VALUE;
  if (C != D || (size_t)workspace % 256) return INVALID_VALUE;
  const char *places[] = { A, B, C, D };
  bool aligned = true;
  for (int i = 0; i < 4; i++) aligned &= (size_t)places[i] % algorithm->alignment[i] == 0;
  // Host scalars are read now, the matrices when the stream runs.
  float by = *alpha, old = *beta;
  bool transposeA = description->transposeA, transposeB = description->transposeB;
  bool tf32 = description->compute == COMPUTE_TF32;
  bool wide = algorithm->alignment[0] >= 16 && algorithm->alignment[1] >= 16 && algorithm->alignment[3] >= 16;
  Layout a = *la, b = *lb, out = *ld;
  return enqueue(stream, [=] {
    if (!aligned) { breakDevice(716); return; }
    if (!within(A, span(a)) || !within(B, span(b)) || !within(D, span(out)) || !within(workspace, bytes)) {
      breakDevice(700);
      return;
    }
    memset(writable(workspace), 0xff, WORKSPACE);
    uint64_t inner = transposeA ? a.rows : a.columns;
    // Rows of op(A) and columns of op(B).
    std::vector<float> left = unpacked(readable(A), a, transposeA, tf32);
    std::vector<float> right = unpacked(readable(B), b, !transposeB, tf32);
    float *to = (float *)writable(D);
    for (uint64_t j = 0; j < out.columns; j++) {
      for (uint64_t i = 0; i < out.rows; i++) {
        float sum[8] = {};
        const float *x = &left[i * inner], *y = &right[j * inner];
        uint64_t p = 0;
        for (; p + 8 <= inner; p += 8) for (int q = 0; q < 8; q++) sum[q] += x[p + q] * y[p + q];
        for (; p < inner; p++) sum[p % 8] += x[p] * y[p];
        // Algorithms differ in the order of their sums.
        if (!wide) for (int q = 0; q < 4; q++) std::swap(sum[q], sum[2 * q]);
        float total = ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
        float *place = to + i + j * out.leading;
        *place = old == 0 ? by * total : by * total + old * *place;
      }
    }
  });
}
}
