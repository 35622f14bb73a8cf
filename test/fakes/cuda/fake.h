// A CUDA driver, cuBLASLt, NVRTC and NCCL on the host, for tests of what calls them. One shared library has all.
//
// - Streams run only when somebody waits for them, or another stream that they have to wait for: a forgotten wait
//   shows every time. With FAKE_CUDA_ORDER, a number that draws start from, streams also run a little of their
//   work at any call, so that what is done too early shows too.
// - Device memory cannot be touched by the host, and starts as NaN.
// - A stream that is captured records its calls and does none of them; what must not be done meanwhile ends
//   the capture. Memory that a graph works on has to be there when it is launched.
// - An error of the device stays until the process ends. A call needs a current context.
// - The kernels' source is compiled as it is, for the host (nvrtc.cpp); threads of a block take turns at
//   barriers, and blocks and threads run in an order that changes.
// - Any call can be made to fail, once, by FAKE_CUDA_FAIL=name:call=code; calls are counted from 1, and 0 is
//   the next one. FAKE_CUDA_RANK: in the MPI process of that rank alone. FAKE_CUDA_CALLS names a folder where each
//   process writes how often it has made each call when it ends.
// - Devices copy from each other, unless FAKE_CUDA_PEERS is 0 by the driver alone.
// - FAKE_CUDA_DEVICES, FAKE_CUDA_CAPABILITY, FAKE_CUDA_DRIVER and FAKE_CUDA_MEMORY (MiB of a device) say
//   what there is, and FAKE_CUDA_UUID which (the first byte of its UUID; the second and the last are its number); FAKE_CUDA_KERNEL_S, how long a kernel takes (with FAKE_CUDA_SLOW the one of that name), which nobody waits for: the clock of a stream
//   goes on by it, and events have its time.
// - Products sum in an order that depends on the alignments for which their algorithm was asked.
//
// It proves calls, order, layouts and the kernels' arithmetic; nothing about races inside a block, the
// compiler for the device, or speed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

struct Stream;

/** Whether what a test lets go wrong is to go wrong in this process. */
bool isMeant();
/** The code that FAKE_CUDA_FAIL has for this call, else 0. */
int injected(const char *name);
/** What is wrong with the device of the calling thread's context: 201 without one, else what stays. */
int standing();
/** Ends what the device can do. */
int breakDevice(int code);
/** Whether the bytes lie in one allocation of the current device. */
bool within(const void *address, size_t bytes);
/** Where this library sees what is at an address of a device, for work that runs on a stream. */
const char *readable(const void *address);
char *writable(void *address);
/** Puts work on a stream of the current device; 0, or 400 where it is another's. */
int enqueue(void *stream, std::function<void()> work);
/** As `enqueue`, of work that waits for other processes, and runs once `ready`, which is asked as often as the stream
 * comes to it. It comes to it within milliseconds, whoever waits. It cannot be captured. */
int enqueueOutside(void *stream, std::function<bool()> ready, std::function<void()> work);
/** Which device is current, whatever its number in this process; empty: none. */
std::string currentDevice();
/** Counts what a library has made and not given back. */
void count(int change);
/** An environment variable's number. */
long setting(const char *name, long otherwise);

// Of the compiled kernels: what they call, and what a launch sets.
struct Dim { unsigned x, y, z; };

#define CALL(name) \
  if (int failure = injected(#name)) return failure
#define DEVICE_CALL(name) \
  CALL(name); \
  if (int wrong = standing()) return wrong
