#include "threads.h"

#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <vector>

#include "arguments.cuh"

struct KernelModule {
  void *library;
  Dim *threadIdx, *blockIdx, *blockDim, *gridDim;
};
struct KernelFunction {
  KernelModule *module;
  void (*run)(Arguments);
  std::string name;
};

// A thread is a stack pointer; a switch saves what the calling convention keeps (System V, x86-64).
extern "C" void fake_switch(void **save, void *load);
asm(R"(
.text
.globl fake_switch
fake_switch:
  push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15
  mov %rsp, (%rdi)
  mov %rsi, %rsp
  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp
  ret
)");

static const size_t STACK = 65536;
enum State { WAITING, DONE };
static std::vector<char> stacks;
static void *scheduler, *pointers[1024];
static State states[1024];
static unsigned thread;
static const KernelFunction *function;
static const Arguments *given;

static void barrier() { fake_switch(&pointers[thread], scheduler); }

static void begin() {
  function->run(*given);
  states[thread] = DONE;
  fake_switch(&pointers[thread], scheduler);
}

KernelModule *loadKernels(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!library) {
    fprintf(stderr, "%s\n", dlerror());
    return nullptr;
  }
  *(void (**)())dlsym(library, "fake_barrier") = barrier;
  auto dim = [&](const char *name) { return (Dim *)dlsym(library, name); };
  return new KernelModule{ library, dim("threadIdx"), dim("blockIdx"), dim("blockDim"), dim("gridDim") };
}

KernelFunction *findKernel(KernelModule *module, const char *name) {
  void *found = dlsym(module->library, name);
  return found ? new KernelFunction{ module, (void (*)(Arguments))found, name } : nullptr;
}

bool isNamed(const KernelFunction *function, const char *name) { return function->name == name; }

/** Lets each thread run to its next barrier or its end; how many did not end. */
static unsigned round(unsigned threads, bool first, bool backwards) {
  unsigned waiting = 0;
  for (unsigned i = 0; i < threads; i++) {
    thread = backwards ? threads - 1 - i : i;
    function->module->threadIdx->x = thread;
    if (first) {
      states[thread] = WAITING;
      void **top = (void **)(((size_t)&stacks[STACK * (thread + 1)] & ~15ull) - 16);
      top[0] = (void *)begin;
      pointers[thread] = top - 6;
    } else if (states[thread] == DONE) {
      continue;
    }
    fake_switch(&scheduler, pointers[thread]);
    if (states[thread] == WAITING) waiting++;
  }
  return waiting;
}

bool runKernel(const KernelFunction *kernel, const Arguments &arguments, unsigned blocks, unsigned threads) {
  stacks.resize(STACK * threads);
  function = kernel;
  given = &arguments;
  *kernel->module->gridDim = { blocks, 1, 1 };
  *kernel->module->blockDim = { threads, 1, 1 };
  static unsigned turn = 0, launches = 0;
  bool reversed = ++launches % 2;
  for (unsigned i = 0; i < blocks; i++) {
    bool backwards = ++turn % 2;
    *kernel->module->blockIdx = { reversed ? blocks - 1 - i : i, 0, 0 };
    unsigned waiting = round(threads, true, backwards);
    while (waiting > 0) {
      // Some have ended and others wait for them.
      if (waiting < threads) return false;
      waiting = round(threads, false, backwards = !backwards);
    }
  }
  return true;
}
