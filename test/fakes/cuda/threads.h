// Kernels on the host: threads of a block that take turns at barriers.
#pragma once
#include "fake.h"

struct Arguments;
struct KernelModule;
struct KernelFunction;

/** A compiled library of kernels; null where it does not open. */
KernelModule *loadKernels(const char *path);
KernelFunction *findKernel(KernelModule *module, const char *name);
bool isNamed(const KernelFunction *function, const char *name);
/** False where threads of a block met different barriers. */
bool runKernel(const KernelFunction *function, const Arguments &arguments, unsigned blocks, unsigned threads);
