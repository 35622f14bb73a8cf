#include "fake.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <dlfcn.h>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <sys/mman.h>
#include <thread>
#include <time.h>
#include <unistd.h>
#include <vector>

#include "arguments.cuh"
#include "threads.h"

static std::recursive_mutex lock;
#define LOCK std::lock_guard<std::recursive_mutex> guard(lock)

typedef std::vector<std::function<void()>> Nodes;
struct Work {
  double calledS;
  std::function<void()> run;
  /** Whether it can run by now; null: it can. */
  std::function<bool()> ready = nullptr;
  bool isOutside = false;
};
struct Stream {
  struct Device *device;
  std::deque<Work> work;
  /** Of the work, what waits for other processes. */
  long outside = 0;
  /** When it has done what it has done: no earlier than that was called, and after what was before. */
  double nowS = 0;
};
/** What a stream's calls are recorded in, by the thread that began it. */
struct Capture {
  Stream *stream = nullptr;
  Nodes nodes;
  /** Those that come at every launch. */
  std::vector<struct Event *> events = {};
  bool broken = false;
};
struct Graph { Nodes nodes; std::vector<struct Event *> events; };
struct Executable {
  Device *device;
  std::shared_ptr<Nodes> nodes;
  std::vector<struct Event *> events;
};
struct Device {
  char *base = nullptr, *own = nullptr;
  size_t bytes = 0, taken = 0;
  std::map<char *, size_t> allocations;
  int error = 0;
  /** Those whose memory it reaches. */
  std::set<Device *> peers;
};
/** Where an event was recorded. Who waits for it keeps it, whatever happens to the event. */
struct Recorded {
  Stream *stream = nullptr;
  bool come = false;
  double comeS = 0;
  /** How often somebody has asked in vain whether it has come. */
  long asked = 0;
};
struct Event {
  struct Device *device;
  bool timed = true;
  std::shared_ptr<Recorded> last;
  /** By graphs that are under way. */
  std::deque<std::shared_ptr<Recorded>> launched;
  bool missing() const { return last && !last->come; }
};
static std::vector<Device> devices;
static std::set<Stream *> streams;
static std::set<Event *> events;
static std::set<Executable *> executables;
static thread_local Device *current;
static thread_local Capture capture;
static thread_local std::vector<Device *> below;
static long made = 0;
/** Whether the process ends. */
static bool ends = false;
/** Questions whether an event has come before streams go on for the asking. */
static const long PATIENCE = 256;

void count(int change) {
  LOCK;
  made += change;
}

bool isMeant() {
  const char *rank = getenv("FAKE_CUDA_RANK"), *own = getenv("OMPI_COMM_WORLD_RANK");
  if (!own) own = getenv("PMI_RANK");
  return !rank || (own && !strcmp(rank, own));
}

long setting(const char *name, long otherwise) {
  const char *text = getenv(name);
  return text ? atol(text) : otherwise;
}

int breakDevice(int code) {
  LOCK;
  if (current) current->error = code;
  return code;
}
static bool stays(int code) {
  // Of peer access: it is there already, or a device has as many as it can have.
  if (code == 704 || code == 711) return false;
  return code == 214 || (code >= 700 && code <= 719) || code == 999;
}

static std::map<std::string, long> calls;

int injected(const char *name) {
  LOCK;
  static std::string done;
  long call = ++calls[name];
  const char *text = getenv("FAKE_CUDA_FAIL");
  if (!text || done != text) done.clear();
  size_t length = strlen(name);
  if (!text || !done.empty() || !isMeant() || strncmp(text, name, length) || text[length] != ':') return 0;
  long which = 0;
  int code = 0;
  if (sscanf(text + length, ":%ld=%d", &which, &code) != 2 || (which && which != call)) return 0;
  done = text;
  if (stays(code)) breakDevice(code);
  return code;
}

int standing() {
  LOCK;
  return current ? current->error : 201;
}

static bool within(Device *device, const void *address, size_t bytes) {
  LOCK;
  char *at = (char *)address;
  auto next = device->allocations.upper_bound(at);
  if (next == device->allocations.begin()) return false;
  --next;
  return at + bytes <= next->first + next->second;
}
bool within(const void *address, size_t bytes) { return within(current, address, bytes); }

/** The same memory at an address that only this library knows: no rights have to change while work runs. */
template <class T>
static T *seen(T *address) {
  char *at = (char *)address;
  for (Device &device : devices) {
    if (at >= device.base && at < device.base + device.bytes) return (T *)(device.own + (at - device.base));
  }
  return address;
}
const char *readable(const void *address) { return (const char *)seen(address); }
char *writable(void *address) { return (char *)seen(address); }

static void poison(char *at, size_t bytes) {
  std::fill_n((uint32_t *)at, bytes / 4, 0x7fc0dead);
}

static double seconds() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + 1e-9 * time.tv_nsec;
}

/** Whether a stream has work that its device would do. */
static bool goesOn(Stream *stream) { return !stream->work.empty() && !stream->device->error; }
/** Does the next work of a stream, if its device still works, and the work waits for no other process. */
static bool runNext(Stream *stream) {
  if (!goesOn(stream)) return false;
  Device *before = current;
  current = stream->device;
  auto &ready = stream->work.front().ready;
  bool runs = !ready || ready();
  if (runs && goesOn(stream)) {
    Work work = std::move(stream->work.front());
    stream->work.pop_front();
    if (work.isOutside) stream->outside--;
    stream->nowS = std::max(stream->nowS, work.calledS);
    work.run();
  }
  current = before;
  return runs;
}
/** Does the work that an event is behind, while there is any. */
static void runTo(const std::shared_ptr<Recorded> &event) {
  while (event && !event->come && streams.count(event->stream) && runNext(event->stream)) {}
}
/** Whether an event may still come. */
static bool mayCome(const std::shared_ptr<Recorded> &event) {
  return event && !event->come && streams.count(event->stream) && goesOn(event->stream);
}
/** While another process is waited for. */
static void rest() { usleep(50); }

/** Lets streams run for a while, some of them. */
static void wander() {
  static uint64_t state;
  long seed = setting("FAKE_CUDA_ORDER", 0);
  if (!seed) return;
  if (!state) state = seed;
  auto draw = [](uint64_t below) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (state >> 33) % below;
  };
  auto one = streams.begin();
  std::advance(one, draw(streams.size()));
  for (uint64_t left = draw(4); left && runNext(*one); left--) {}
}

static int enqueueWhen(void *stream, std::function<bool()> ready, std::function<void()> work, bool isOutside = false) {
  LOCK;
  Stream *queue = (Stream *)stream;
  if (!streams.count(queue) || queue->device != current) return 400;
  if (capture.stream == queue) {
    if (ready) {
      capture.broken = true;
      return 900;
    }
    capture.nodes.push_back(std::move(work));
    return 0;
  }
  queue->work.push_back({ seconds(), std::move(work), std::move(ready), isOutside });
  if (isOutside) queue->outside++;
  wander();
  return 0;
}

int enqueue(void *stream, std::function<void()> work) { return enqueueWhen(stream, nullptr, std::move(work)); }

/** Other processes wait for what streams of this one do, even while nobody here waits for it. */
static void serveOthers() {
  for (;;) {
    usleep(1000);
    LOCK;
    if (ends) return;
    for (Stream *stream : streams) while (stream->outside && runNext(stream)) {}
  }
}
int enqueueOutside(void *stream, std::function<bool()> ready, std::function<void()> work) {
  static std::thread serves(serveOthers);
  if (serves.joinable()) serves.detach();
  return enqueueWhen(stream, std::move(ready), std::move(work), true);
}

/** What a thread must not do while it captures, which ends in nothing then. */
static int unsafe() {
  if (!capture.stream) return 0;
  capture.broken = true;
  return 900;
}
#define OUTSIDE_CAPTURE if (int code = unsafe()) return code

/** Work on memory of the device, which has to be there still when it runs. */
static int enqueueOn(void *stream, const void *memory, size_t bytes, std::function<void()> work) {
  return enqueue(stream, [=] {
    if (within(memory, bytes)) work();
    else breakDevice(700);
  });
}

/** As the process ends: writes how often each call has been made. */
static void endAll() {
  LOCK;
  ends = true;
  const char *folder = getenv("FAKE_CUDA_CALLS");
  if (!folder) return;
  std::string path = std::string(folder) + "/" + std::to_string(getpid());
  FILE *file = fopen(path.c_str(), "w");
  if (!file) return;
  for (auto &[name, number] : calls) fprintf(file, "%s %ld\n", name.c_str(), number);
  fclose(file);
}

extern "C" {
int cuInit(unsigned) {
  CALL(cuInit);
  LOCK;
  if (devices.empty()) {
    atexit(endAll);
    devices.resize(setting("FAKE_CUDA_DEVICES", 1));
    for (Device &device : devices) {
      device.bytes = (size_t)setting("FAKE_CUDA_MEMORY", 2048) << 20;
      int memory = memfd_create("device", 0);
      if (ftruncate(memory, device.bytes)) return 2;
      auto map = [&](int rights) {
        return (char *)mmap(nullptr, device.bytes, rights, MAP_SHARED | MAP_NORESERVE, memory, 0);
      };
      device.base = map(PROT_NONE);
      device.own = map(PROT_READ | PROT_WRITE);
      close(memory);
    }
  }
  return devices.empty() ? 100 : 0;
}
int cuDriverGetVersion(int *version) {
  CALL(cuDriverGetVersion);
  *version = (int)setting("FAKE_CUDA_DRIVER", 13000);
  return 0;
}
int cuDeviceGetCount(int *count) {
  CALL(cuDeviceGetCount);
  *count = (int)devices.size();
  return 0;
}
int cuDeviceGet(int *device, int index) {
  CALL(cuDeviceGet);
  if (index < 0 || index >= (int)devices.size()) return 101;
  *device = index;
  return 0;
}
int cuDeviceGetName(char *text, int length, int device) {
  CALL(cuDeviceGetName);
  snprintf(text, length, "Fake device %d", device);
  return 0;
}
int cuDeviceGetUuid_v2(unsigned char *id, int device) {
  CALL(cuDeviceGetUuid_v2);
  memset(id, 0, 16);
  id[0] = (unsigned char)setting("FAKE_CUDA_UUID", 0);
  id[1] = id[15] = (unsigned char)device;
  return 0;
}
int cuDeviceGetAttribute(int *value, int attribute, int) {
  CALL(cuDeviceGetAttribute);
  long capability = setting("FAKE_CUDA_CAPABILITY", 90);
  if (attribute != 16 && attribute != 75 && attribute != 76) return 1;
  *value = (int)(attribute == 16 ? 4 : attribute == 75 ? capability / 10 : capability % 10);
  return 0;
}
int cuDevicePrimaryCtxRetain(void **context, int device) {
  CALL(cuDevicePrimaryCtxRetain);
  *context = &devices.at(device);
  count(1);
  return 0;
}
int cuDevicePrimaryCtxRelease_v2(int) {
  count(-1);
  return 0;
}
int cuCtxPushCurrent_v2(void *context) {
  below.push_back(current);
  current = (Device *)context;
  return 0;
}
int cuCtxPopCurrent_v2(void **context) {
  if (below.empty()) return 201;
  *context = current;
  current = below.back();
  below.pop_back();
  return 0;
}
/** Which device is current, whatever its number in this process; empty: none. */
extern "C++" std::string currentDevice() {
  LOCK;
  if (!current) return "";
  return std::to_string(setting("FAKE_CUDA_UUID", 0)) + "." + std::to_string(current - devices.data());
}
/** How often a call has been made in this process. */
long fakeCudaCalls(const char *name) {
  LOCK;
  return calls[name];
}
/** What has been made and not given back: memory of devices and of the host, and all that has a handle. */
long fakeCudaMade() {
  LOCK;
  return made;
}
int cuCtxSetCurrent(void *context) {
  CALL(cuCtxSetCurrent);
  current = (Device *)context;
  return 0;
}
int cuMemGetInfo_v2(size_t *free, size_t *total) {
  DEVICE_CALL(cuMemGetInfo_v2);
  *free = current->bytes - current->taken;
  *total = current->bytes;
  return 0;
}
int cuMemAlloc_v2(char **address, size_t bytes) {
  DEVICE_CALL(cuMemAlloc_v2);
  OUTSIDE_CAPTURE;
  LOCK;
  if (bytes == 0) return 1;
  // The first gap that is large enough.
  size_t at = 0;
  for (auto &[address, length] : current->allocations) {
    size_t next = address - current->base;
    if (at + bytes <= next) break;
    at = (next + length + 255) & ~255ull;
  }
  if (at + bytes > current->bytes) return 2;
  count(1);
  current->allocations[current->base + at] = bytes;
  current->taken += bytes;
  poison(current->own + at, bytes);
  *address = current->base + at;
  return 0;
}
int cuMemFree_v2(char *address) {
  DEVICE_CALL(cuMemFree_v2);
  OUTSIDE_CAPTURE;
  LOCK;
  auto found = current->allocations.find(address);
  if (found == current->allocations.end()) return 1;
  poison(seen(address), found->second);
  current->taken -= found->second;
  current->allocations.erase(found);
  count(-1);
  return 0;
}
int cuMemcpyHtoDAsync_v2(char *to, const void *from, size_t bytes, void *stream) {
  DEVICE_CALL(cuMemcpyHtoDAsync_v2);
  if (!within(to, bytes) || within(from, 1)) return 1;
  return enqueueOn(stream, to, bytes, [=] { memcpy(seen(to), from, bytes); });
}
int cuMemcpyDtoHAsync_v2(void *to, char *from, size_t bytes, void *stream) {
  DEVICE_CALL(cuMemcpyDtoHAsync_v2);
  if (!within(from, bytes) || within(to, 1)) return 1;
  return enqueueOn(stream, from, bytes, [=] { memcpy(to, seen(from), bytes); });
}
int cuMemcpyDtoDAsync_v2(char *to, char *from, size_t bytes, void *stream) {
  DEVICE_CALL(cuMemcpyDtoDAsync_v2);
  if (!within(to, bytes) || !within(from, bytes)) return 1;
  return enqueueOn(stream, to, bytes, [=] {
    if (within(from, bytes)) memmove(seen(to), seen(from), bytes);
    else breakDevice(700);
  });
}
int cuMemcpyPeerAsync(char *to, Device *toContext, char *from, Device *fromContext, size_t bytes, void *stream) {
  DEVICE_CALL(cuMemcpyPeerAsync);
  if (!within(toContext, to, bytes) || !within(fromContext, from, bytes)) return 1;
  return enqueue(stream, [=] {
    bool there = within(toContext, to, bytes) && within(fromContext, from, bytes);
    if (!there) { breakDevice(700); return; }
    memmove(seen(to), seen(from), bytes);
    // As where the system between devices turns copies aside.
    if (bytes && setting("FAKE_CUDA_GARBLED_PEERS", 0)) seen(to)[bytes - 1] ^= 1;
  });
}
int cuDeviceCanAccessPeer(int *can, int device, int peer) {
  CALL(cuDeviceCanAccessPeer);
  int count = (int)devices.size();
  if (device < 0 || device >= count || peer < 0 || peer >= count) return 101;
  *can = device != peer && setting("FAKE_CUDA_PEERS", 1);
  return 0;
}
int cuCtxEnablePeerAccess(Device *peer, unsigned flags) {
  DEVICE_CALL(cuCtxEnablePeerAccess);
  LOCK;
  if (flags) return 1;
  if (peer == current || !setting("FAKE_CUDA_PEERS", 1)) return 217;
  return current->peers.insert(peer).second ? 0 : 704;
}
int cuMemsetD32Async(char *at, unsigned word, size_t words, void *stream) {
  DEVICE_CALL(cuMemsetD32Async);
  if (!within(at, 4 * words) || (size_t)at % 4) return 1;
  return enqueueOn(stream, at, 4 * words, [=] { std::fill_n((unsigned *)seen(at), words, word); });
}
int cuStreamCreate(Stream **stream, unsigned) {
  DEVICE_CALL(cuStreamCreate);
  LOCK;
  *stream = new Stream{ current, {}, 0 };
  streams.insert(*stream);
  count(1);
  return 0;
}
int cuStreamDestroy_v2(Stream *stream) {
  DEVICE_CALL(cuStreamDestroy_v2);
  LOCK;
  if (!streams.erase(stream)) return 400;
  delete stream;
  count(-1);
  return 0;
}
int cuStreamSynchronize(void *stream) {
  DEVICE_CALL(cuStreamSynchronize);
  OUTSIDE_CAPTURE;
  LOCK;
  Stream *queue = (Stream *)stream;
  if (!streams.count(queue) || queue->device != current) return 400;
  while (goesOn(queue)) {
    if (!runNext(queue)) rest();
  }
  return current->error;
}
int cuMemHostAlloc(void **address, size_t bytes, unsigned) {
  DEVICE_CALL(cuMemHostAlloc);
  OUTSIDE_CAPTURE;
  *address = aligned_alloc(4096, (bytes + 4095) & ~4095ull);
  count(1);
  return *address ? 0 : 2;
}
int cuMemFreeHost(void *address) {
  DEVICE_CALL(cuMemFreeHost);
  OUTSIDE_CAPTURE;
  free(address);
  count(-1);
  return 0;
}
int cuEventCreate(Event **event, unsigned flags) {
  DEVICE_CALL(cuEventCreate);
  LOCK;
  *event = new Event{ current, !(flags & 2), nullptr, {} };
  events.insert(*event);
  count(1);
  return 0;
}
int cuEventDestroy_v2(Event *event) {
  DEVICE_CALL(cuEventDestroy_v2);
  LOCK;
  if (!events.erase(event)) return 400;
  delete event;
  count(-1);
  return 0;
}
static std::shared_ptr<Recorded> recordedOn(void *stream) {
  auto recorded = std::make_shared<Recorded>();
  recorded->stream = (Stream *)stream;
  return recorded;
}
static void comes(Recorded &recorded) {
  recorded.come = true;
  recorded.comeS = recorded.stream->nowS;
}
/** An event that comes when the stream has done what was called before; of a graph, at every launch. */
static int recordOn(Event *event, void *stream) {
  if (capture.stream == stream) {
    capture.events.push_back(event);
    return enqueue(stream, [=] {
      comes(*event->launched.front());
      event->launched.pop_front();
    });
  }
  auto recorded = event->last = recordedOn(stream);
  return enqueue(stream, [=] { comes(*recorded); });
}
int cuEventRecord(Event *event, void *stream) {
  DEVICE_CALL(cuEventRecord);
  LOCK;
  if (!events.count(event) || event->device != current) return 400;
  if (capture.stream != stream) return recordOn(event, stream);
  // It says in which order a graph's work is, and has no time.
  event->last = nullptr;
  return 0;
}
int cuEventRecordWithFlags(Event *event, void *stream, unsigned flags) {
  DEVICE_CALL(cuEventRecordWithFlags);
  LOCK;
  if (!events.count(event) || event->device != current) return 400;
  if (flags != 1 || capture.stream != stream) return 1;
  return recordOn(event, stream);
}
int cuStreamWaitEvent(Stream *stream, Event *event, unsigned flags) {
  DEVICE_CALL(cuStreamWaitEvent);
  LOCK;
  if (flags) return 1;
  if (!events.count(event)) return 400;
  auto recorded = event->last;
  if (!recorded) return 0;
  if (capture.stream == stream) return 1;
  return enqueueWhen(stream, [=] {
    runTo(recorded);
    return !mayCome(recorded);
  }, [=] {
    // The other device does nothing any more.
    if (!recorded->come) breakDevice(719);
    stream->nowS = std::max(stream->nowS, recorded->comeS);
  });
}
int cuEventQuery(Event *event) {
  DEVICE_CALL(cuEventQuery);
  OUTSIDE_CAPTURE;
  LOCK;
  if (!events.count(event)) return 400;
  // Who asks again and again finds that streams have gone on meanwhile.
  if (event->missing() && ++event->last->asked > PATIENCE) runTo(event->last);
  return event->missing() ? standing() ? standing() : 600 : 0;
}
int cuEventSynchronize(Event *event) {
  DEVICE_CALL(cuEventSynchronize);
  OUTSIDE_CAPTURE;
  LOCK;
  if (!events.count(event)) return 400;
  runTo(event->last);
  while (mayCome(event->last)) {
    rest();
    runTo(event->last);
  }
  return current->error;
}
int cuEventElapsedTime(float *milliseconds, Event *from, Event *to) {
  DEVICE_CALL(cuEventElapsedTime);
  LOCK;
  if (!from->timed || !to->timed || !from->last || !to->last) return 400;
  if (from->missing() || to->missing()) return 600;
  *milliseconds = (float)(1000 * (to->last->comeS - from->last->comeS));
  return 0;
}
int cuModuleLoadData(KernelModule **module, const char *image) {
  DEVICE_CALL(cuModuleLoadData);
  OUTSIDE_CAPTURE;
  LOCK;
  char path[4096];
  int target = 0;
  if (sscanf(image, "fake cubin sm_%d %4095s", &target, path) != 2) return 200;
  // Compiled code runs on devices of the same major capability, from its minor one on.
  long capability = setting("FAKE_CUDA_CAPABILITY", 90);
  if (target / 10 != capability / 10 || target > capability) return 209;
  *module = loadKernels(path);
  count(1);
  return *module ? 0 : 200;
}
int cuModuleUnload(KernelModule *) {
  DEVICE_CALL(cuModuleUnload);
  count(-1);
  return 0;
}
int cuModuleGetFunction(KernelFunction **function, KernelModule *module, const char *name) {
  DEVICE_CALL(cuModuleGetFunction);
  LOCK;
  *function = findKernel(module, name);
  return *function ? 0 : 500;
}
int cuLaunchKernel(KernelFunction *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                   unsigned by, unsigned bz, unsigned, void *stream, void **parameters, void **) {
  DEVICE_CALL(cuLaunchKernel);
  if (!gx || gx > 0x7fffffff || !bx || bx > 1024 || gy * gz * by * bz != 1) return 1;
  Arguments arguments;
  memcpy(&arguments, parameters[0], sizeof arguments);
  return enqueue(stream, [=] {
    // What lies outside of the device is an illegal address when the kernel runs.
    Arguments own = arguments;
    for (void *&address : own.at) {
      if (address && !within(address, 1)) { breakDevice(700); return; }
      address = seen(address);
    }
    std::vector<Row> table;
    if (own.tensors) {
      if (!within(arguments.at[0], own.tensors * sizeof(Row))) { breakDevice(700); return; }
      table.assign((Row *)own.at[0], (Row *)own.at[0] + own.tensors);
      for (Row &row : table) {
        for (int i = 0; i < 5; i++) {
          if (row.at[i] && !within(row.at[i], row.n * (i < 4 ? 4 : 2))) { breakDevice(700); return; }
          row.at[i] = seen(row.at[i]);
        }
      }
      own.at[0] = table.data();
    }
    if (!runKernel(function, own, gx, bx)) breakDevice(719);
    // As long as a test says, in seconds.
    const char *slow = getenv("FAKE_CUDA_SLOW");
    if (!slow || isNamed(function, slow)) ((Stream *)stream)->nowS += setting("FAKE_CUDA_KERNEL_S", 0);
  });
}
int cuStreamBeginCapture_v2(Stream *stream, int mode) {
  DEVICE_CALL(cuStreamBeginCapture_v2);
  LOCK;
  if (!streams.count(stream) || stream->device != current) return 400;
  // Only that of the thread is told apart here.
  if (mode != 1 || capture.stream) return 1;
  capture = { stream, {}, {}, false };
  return 0;
}
int cuStreamEndCapture(Stream *stream, Graph **graph) {
  *graph = nullptr;
  if (capture.stream != stream) return 1;
  Capture done = std::move(capture);
  capture = {};
  DEVICE_CALL(cuStreamEndCapture);
  if (done.broken) return 901;
  *graph = new Graph{ std::move(done.nodes), std::move(done.events) };
  count(1);
  return 0;
}
int cuGraphInstantiateWithFlags(Executable **executable, Graph *graph, unsigned long long flags) {
  DEVICE_CALL(cuGraphInstantiateWithFlags);
  LOCK;
  if (flags) return 1;
  *executable = new Executable{ current, std::make_shared<Nodes>(graph->nodes), graph->events };
  executables.insert(*executable);
  count(1);
  return 0;
}
int cuGraphLaunch(Executable *executable, void *stream) {
  DEVICE_CALL(cuGraphLaunch);
  OUTSIDE_CAPTURE;
  LOCK;
  if (!executables.count(executable) || executable->device != current) return 400;
  auto nodes = executable->nodes;
  for (Event *event : executable->events) {
    event->launched.push_back(event->last = recordedOn(stream));
  }
  return enqueue(stream, [nodes] {
    for (auto &node : *nodes) if (!current->error) node();
  });
}
int cuGraphDestroy(Graph *graph) {
  DEVICE_CALL(cuGraphDestroy);
  delete graph;
  count(-1);
  return 0;
}
int cuGraphExecDestroy(Executable *executable) {
  DEVICE_CALL(cuGraphExecDestroy);
  LOCK;
  if (!executables.erase(executable)) return 400;
  delete executable;
  count(-1);
  return 0;
}
}
