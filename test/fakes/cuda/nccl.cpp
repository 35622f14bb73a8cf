// NCCL between processes of this machine, each with devices of its own: messages are files in FAKE_NCCL_FOLDER (else in
// shared memory), named by communicator, ranks and number. Work on a stream does not end before the others have come to theirs.
//
// It is as strict as NCCL at its strictest: each rank needs a device of its own, memory has to be a device's, a message
// ends when it has been received, its size and kind are the receiver's, and a group is on one stream.
// A communicator is destroyed when all its ranks have called that.
// FAKE_NCCL_STALL=n: the n-th exchange of a process (-1: the next) never ends. FAKE_NCCL_ERROR=n:code: in its place an
// error comes that the communicator tells when it is asked. FAKE_NCCL_DIE=n: in its place the process is killed.
// FAKE_NCCL_GARBLED=1: all arrives with a wrong bit, 2: what is sent, not what is gathered. FAKE_NCCL_VERSION: its version. All of them are of one rank
// alone where FAKE_CUDA_RANK says so.
#include "fake.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <set>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <vector>

enum Result { SUCCESS, CUDA_ERROR, SYSTEM_ERROR, INTERNAL_ERROR, INVALID_ARGUMENT, INVALID_USAGE, REMOTE_ERROR };
static const int ID_BYTES = 128;
struct Id { unsigned char bytes[ID_BYTES]; };

struct Comm {
  int rank, ranks;
  std::string folder;
  /** Messages to and from each rank so far. */
  std::vector<long> sent, received;
  int error = 0;
  long underWay = 0;
};
struct Message {
  bool isSent;
  char kind;
  int peer;
  char *address;
  size_t bytes;
  long number = 0;
  bool done = false;
};
struct Header { char kind; size_t bytes; };
struct Group {
  int depth = 0;
  Comm *comm = nullptr;
  void *stream = nullptr;
  std::vector<Message> messages = {};
  /** What a call in the group had wrong. */
  int error = 0;
};

static std::mutex lock;
static std::set<Comm *> comms;
static thread_local Group group;
static std::string last;
static long exchanges = 0;

static int failed(int code, const char *why) {
  last = why;
  return code;
}
static bool exists(const std::string &path) { return access(path.c_str(), F_OK) == 0; }
static std::string pathOf(const Comm &comm, int from, int to, long number) {
  char name[64];
  snprintf(name, sizeof name, "/m-%d-%d-%ld", from, to, number);
  return comm.folder + name;
}
static void writeWhole(const std::string &path, const Header *header, const void *data, size_t bytes) {
  std::string own = path + ".part";
  FILE *file = fopen(own.c_str(), "w");
  if (header) fwrite(header, sizeof *header, 1, file);
  fwrite(data, 1, bytes, file);
  fclose(file);
  rename(own.c_str(), path.c_str());
}
static unsigned checkOf(const Id &id) {
  unsigned sum = 1;
  for (int i = 0; i < ID_BYTES - 4; i++) sum = 31 * sum + id.bytes[i];
  return sum;
}

/** Sends and receives what it can. @returns whether all is done */
static bool goOn(Comm &comm, std::vector<Message> &messages) {
  bool all = true;
  for (Message &message : messages) {
    if (message.done) continue;
    bool isSent = message.isSent;
    std::string path = isSent ? pathOf(comm, comm.rank, message.peer, message.number)
                              : pathOf(comm, message.peer, comm.rank, message.number);
    if (!within(message.address, message.bytes)) {
      comm.error = CUDA_ERROR;
      return false;
    }
    if (isSent) {
      Header header = { message.kind, message.bytes };
      writeWhole(path, &header, readable(message.address), message.bytes);
      message.done = true;
      continue;
    }
    if (!exists(path)) {
      all = false;
      continue;
    }
    FILE *file = fopen(path.c_str(), "r");
    Header header = {};
    bool good = fread(&header, sizeof header, 1, file) == 1;
    good = good && header.kind == message.kind && header.bytes == message.bytes;
    if (good) {
      char *to = writable(message.address);
      good = fread(to, 1, message.bytes, file) == message.bytes;
      long garbled = isMeant() ? setting("FAKE_NCCL_GARBLED", 0) : 0;
      if (garbled == 1 || (garbled == 2 && message.kind == 's')) to[message.bytes - 1] ^= 1;
    }
    fclose(file);
    if (!good) {
      comm.error = failed(INVALID_USAGE, "the sender's message has another size or kind");
      return false;
    }
    unlink(path.c_str());
    message.done = true;
  }
  if (!all) return false;
  for (const Message &message : messages) {
    if (message.isSent && exists(pathOf(comm, comm.rank, message.peer, message.number))) return false;
  }
  return true;
}

static bool overlap(const Message &a, const Message &b) {
  return a.address < b.address + b.bytes && b.address < a.address + a.bytes;
}

/** Puts the messages of a group on its stream. */
static int launch() {
  Group whole = std::move(group);
  group = {};
  if (whole.error) return whole.error;
  if (!whole.comm || whole.messages.empty()) return SUCCESS;
  Comm &comm = *whole.comm;
  if (comm.error) return comm.error;
  for (Message &message : whole.messages) {
    message.number = (message.isSent ? comm.sent : comm.received).at(message.peer)++;
    for (const Message &other : whole.messages) {
      if (&other != &message && !message.isSent && overlap(message, other)) {
        return failed(INVALID_ARGUMENT, "what is received lies over other memory of the group");
      }
    }
  }
  long which = ++exchanges;
  long stalls = setting("FAKE_NCCL_STALL", 0);
  long at = 0;
  int code = 0;
  const char *text = getenv("FAKE_NCCL_ERROR");
  if (text) sscanf(text, "%ld:%d", &at, &code);
  auto is = [&](long number) { return isMeant() && (number < 0 || number == which); };
  if (is(setting("FAKE_NCCL_DIE", 0))) kill(getpid(), SIGKILL);
  bool stall = is(stalls);
  int error = is(at) ? code : 0;
  auto messages = std::make_shared<std::vector<Message>>(std::move(whole.messages));
  Comm *one = whole.comm;
  one->underWay++;
  int wrong = enqueueOutside(whole.stream, [=] {
    if (error) one->error = error;
    if (one->error || stall) return false;
    return goOn(*one, *messages);
  }, [=] { one->underWay--; });
  return wrong ? failed(CUDA_ERROR, "the stream is not one of the current device") : 0;
}

/** Adds a message to the group, or makes it by itself. */
static int add(Comm *comm, void *stream, std::vector<Message> messages) {
  auto wrong = [&]() -> int {
    if (!comms.count(comm)) return failed(INVALID_ARGUMENT, "no such communicator");
    if (standing()) return failed(CUDA_ERROR, "the device does not work");
    if (group.comm && (group.comm != comm || group.stream != stream)) {
      return failed(INVALID_USAGE, "a group has one communicator and one stream");
    }
    for (const Message &message : messages) {
      if (message.peer < 0 || message.peer >= comm->ranks) return failed(INVALID_ARGUMENT, "no such rank");
      if (!within(message.address, message.bytes)) return failed(INVALID_ARGUMENT, "not memory of the device");
    }
    return 0;
  };
  std::lock_guard<std::mutex> guard(lock);
  int code = wrong();
  if (code) {
    if (group.depth) group.error = code;
    return code;
  }
  group.comm = comm;
  group.stream = stream;
  group.messages.insert(group.messages.end(), messages.begin(), messages.end());
  return group.depth ? SUCCESS : launch();
}

/** A call that fails in a group fails the group. */
static int injectedIn(const char *name) {
  int failure = injected(name);
  if (failure && group.depth) group.error = failure;
  return failure;
}

#define NCCL_CALL(name) \
  if (int failure = injectedIn(#name)) return failed(failure, "as a test says")

extern "C" {
int ncclGetVersion(int *version) {
  *version = isMeant() ? (int)setting("FAKE_NCCL_VERSION", 22105) : 22105;
  return SUCCESS;
}
int ncclGetUniqueId(Id *id) {
  NCCL_CALL(ncclGetUniqueId);
  static long made = 0;
  std::lock_guard<std::mutex> guard(lock);
  timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  memset(id->bytes, 0xa5, ID_BYTES);
  snprintf((char *)id->bytes, 96, "fake-nccl-%d-%ld-%ld", getpid(), ++made, (long)time.tv_nsec);
  unsigned check = checkOf(*id);
  memcpy(id->bytes + ID_BYTES - 4, &check, 4);
  return SUCCESS;
}
int ncclCommInitRank(Comm **made, int ranks, Id id, int rank) {
  NCCL_CALL(ncclCommInitRank);
  if (standing()) return failed(CUDA_ERROR, "no device is current");
  unsigned check;
  memcpy(&check, id.bytes + ID_BYTES - 4, 4);
  if (check != checkOf(id) || rank < 0 || rank >= ranks) return failed(INVALID_ARGUMENT, "no such id or rank");
  const char *folder = getenv("FAKE_NCCL_FOLDER");
  Comm *comm = new Comm{ rank, ranks, std::string(folder ? folder : "/dev/shm") + "/" + (char *)id.bytes, {}, {} };
  comm->sent.resize(ranks);
  comm->received.resize(ranks);
  mkdir(comm->folder.c_str(), 0700);
  auto place = [&](int one) { return comm->folder + "/rank-" + std::to_string(one); };
  if (exists(place(rank))) return failed(INVALID_USAGE, "two processes are the same rank");
  std::string device = currentDevice();
  writeWhole(place(rank), nullptr, device.data(), device.size());
  std::set<std::string> devices;
  for (int one = 0; one < ranks; one++) {
    while (!exists(place(one))) usleep(100);
    char text[64] = {};
    FILE *file = fopen(place(one).c_str(), "r");
    if (!file || !fread(text, 1, sizeof text - 1, file)) return failed(SYSTEM_ERROR, "another rank has gone");
    fclose(file);
    devices.insert(text);
  }
  if ((int)devices.size() < ranks) return failed(INVALID_USAGE, "Duplicate GPU detected");
  std::lock_guard<std::mutex> guard(lock);
  comms.insert(comm);
  count(1);
  *made = comm;
  return SUCCESS;
}
int ncclAllGather(char *from, char *to, size_t bytes, int type, Comm *comm, void *stream) {
  NCCL_CALL(ncclAllGather);
  if (type > 1) return failed(INVALID_ARGUMENT, "only bytes are told apart here");
  if (bytes == 0) return SUCCESS;
  char *own = to + comm->rank * bytes;
  if (from != own && from < to + comm->ranks * bytes && to < from + bytes) {
    return failed(INVALID_ARGUMENT, "neither in place nor apart");
  }
  if (!within(from, bytes) || !within(to, comm->ranks * bytes)) return failed(INVALID_ARGUMENT, "not memory of the device");
  std::vector<Message> messages;
  for (int peer = 0; peer < comm->ranks; peer++) {
    if (peer == comm->rank) continue;
    messages.push_back({ true, 'g', peer, from, bytes });
    messages.push_back({ false, 'g', peer, to + peer * bytes, bytes });
  }
  if (from != own) {
    int wrong = enqueue(stream, [=] { memmove(writable(own), readable(from), bytes); });
    if (wrong) return failed(CUDA_ERROR, "the stream is not one of the current device");
  }
  return add(comm, stream, messages);
}
int ncclSend(char *from, size_t bytes, int type, int peer, Comm *comm, void *stream) {
  NCCL_CALL(ncclSend);
  if (type > 1) return failed(INVALID_ARGUMENT, "only bytes are told apart here");
  return add(comm, stream, { { true, 's', peer, from, bytes } });
}
int ncclRecv(char *to, size_t bytes, int type, int peer, Comm *comm, void *stream) {
  NCCL_CALL(ncclRecv);
  if (type > 1) return failed(INVALID_ARGUMENT, "only bytes are told apart here");
  return add(comm, stream, { { false, 's', peer, to, bytes } });
}
int ncclGroupStart() {
  NCCL_CALL(ncclGroupStart);
  group.depth++;
  return SUCCESS;
}
int ncclGroupEnd() {
  if (int failure = injected("ncclGroupEnd")) {
    group = {};
    return failed(failure, "as a test says");
  }
  if (group.depth == 0) return failed(INVALID_USAGE, "no group has begun");
  if (--group.depth) return SUCCESS;
  std::lock_guard<std::mutex> guard(lock);
  return launch();
}
int ncclCommGetAsyncError(Comm *comm, int *error) {
  NCCL_CALL(ncclCommGetAsyncError);
  if (!comms.count(comm)) return failed(INVALID_ARGUMENT, "no such communicator");
  *error = comm->error;
  return SUCCESS;
}
int ncclCommDestroy(Comm *comm) {
  NCCL_CALL(ncclCommDestroy);
  {
    std::lock_guard<std::mutex> guard(lock);
    if (!comms.count(comm)) return failed(INVALID_ARGUMENT, "no such communicator");
    if (comm->underWay) return failed(INVALID_USAGE, "something is under way");
    comms.erase(comm);
    count(-1);
  }
  auto place = [&](int one) { return comm->folder + "/rank-" + std::to_string(one); };
  unlink(place(comm->rank).c_str());
  // As the real one may.
  for (int one = 0; one < comm->ranks; one++) {
    while (exists(place(one))) usleep(100);
  }
  // Of the last one.
  rmdir(comm->folder.c_str());
  return SUCCESS;
}
const char *ncclGetErrorString(int code) {
  static const char *texts[] = { "no error", "unhandled cuda error", "unhandled system error", "internal error",
                                 "invalid argument", "invalid usage", "remote process exited" };
  return code >= 0 && code <= 6 ? texts[code] : "unknown result code";
}
const char *ncclGetLastError(Comm *) { return last.c_str(); }
}
