// NVRTC's calls: the source is compiled for the host by g++, once for each content, beside this library.
#include "fake.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fstream>
#include <mutex>
#include <sstream>
#include <unistd.h>

/** What CUDA's compiler knows of itself. */
static const char PRELUDE[] = R"(
#include <cmath>
#include <cstring>
struct Dim { unsigned x, y, z; };
extern "C" { Dim threadIdx, blockIdx, blockDim, gridDim; void (*fake_barrier)(); }
#define __global__
#define __device__
#define __grid_constant__
#define __launch_bounds__(threads)
#define __shared__ static
#define __syncthreads() fake_barrier()
// Of the whole block, so that threads that leave a warp out show too.
static inline double __shfl_xor_sync(unsigned, double x, unsigned bit) {
  static double lanes[1024];
  lanes[threadIdx.x] = x;
  fake_barrier();
  double other = lanes[threadIdx.x ^ bit];
  fake_barrier();
  return other;
}
static inline unsigned __float_as_uint(float x) { unsigned u; memcpy(&u, &x, 4); return u; }
static inline float __uint_as_float(unsigned u) { float x; memcpy(&x, &u, 4); return x; }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
)";

struct Program { std::string source, log, image; };
static std::mutex compiling;

static std::string folder() {
  Dl_info info;
  dladdr((void *)PRELUDE, &info);
  std::string path = info.dli_fname;
  return path.substr(0, path.rfind('/'));
}
static std::string content(const std::string &path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

extern "C" {
int nvrtcVersion(int *major, int *minor) {
  CALL(nvrtcVersion);
  *major = 13;
  *minor = (int)setting("FAKE_CUDA_BUILTINS", 0);
  return 0;
}
int nvrtcCreateProgram(Program **program, const char *source, const char *, int headers, void *, void *) {
  CALL(nvrtcCreateProgram);
  if (headers) return 3;
  *program = new Program{ source, "", "" };
  count(1);
  return 0;
}
int nvrtcDestroyProgram(Program **program) {
  delete *program;
  *program = nullptr;
  count(-1);
  return 0;
}
int nvrtcCompileProgram(Program *program, int count, const char **options) {
  CALL(nvrtcCompileProgram);
  int target = 0;
  bool device = false;
  for (int i = 0; i < count; i++) {
    if (!strcmp(options[i], "--device-as-default-execution-space")) device = true;
    else if (sscanf(options[i], "--gpu-architecture=sm_%d", &target) != 1) return 5;
  }
  if (target < 75) return 5;
  // As the real one, which looks for it by name where the loader does, unless it is open.
  long minor = setting("FAKE_CUDA_BUILTINS", 0);
  std::string builtins = "libnvrtc-builtins.so.13." + std::to_string(minor);
  if (minor && !dlopen(builtins.c_str(), RTLD_NOW)) {
    program->log = "nvrtc: error: failed to open " + builtins + ".";
    return 7;
  }
  // As NVRTC, which takes functions within kernels for the host's otherwise.
  if (!device) return 6;
  std::lock_guard<std::mutex> guard(compiling);
  std::string source = std::string(PRELUDE) + program->source;
  std::string name = folder() + "/kernels-" + std::to_string(std::hash<std::string>()(source));
  if (access((name + ".so").c_str(), R_OK)) {
    // Under a name of this process's own until it is whole.
    std::string own = name + "-" + std::to_string(getpid());
    std::ofstream(own + ".cpp") << source;
    std::string command = "g++ -std=c++17 -O2 -ffp-contract=off -fPIC -shared -w '" + own + ".cpp' -o '" + own +
                          ".so' 2> '" + own + ".log' && mv '" + own + ".so' '" + name + ".so'";
    int status = system(command.c_str());
    program->log = content(own + ".log");
    for (const char *end : { ".cpp", ".log" }) unlink((own + end).c_str());
    if (status != 0) return 6;
  }
  program->image = "fake cubin sm_" + std::to_string(target) + " " + name + ".so";
  return 0;
}
int nvrtcGetProgramLogSize(Program *program, size_t *bytes) {
  *bytes = program->log.size() + 1;
  return 0;
}
int nvrtcGetProgramLog(Program *program, char *log) {
  memcpy(log, program->log.c_str(), program->log.size() + 1);
  return 0;
}
int nvrtcGetCUBINSize(Program *program, size_t *bytes) {
  CALL(nvrtcGetCUBINSize);
  *bytes = program->image.size() + 1;
  return 0;
}
int nvrtcGetCUBIN(Program *program, char *image) {
  CALL(nvrtcGetCUBIN);
  memcpy(image, program->image.c_str(), program->image.size() + 1);
  return 0;
}
}
