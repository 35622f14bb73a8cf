"""How ranks on one machine exchange: through shared memory, or through gloo."""

import os

import torch.distributed as dist

# Counters lie on cache lines of their own.
LINE = 8
ALIGNMENT = 64


class Exchange:
    """Two exchanges between ranks, each a start and a wait.

    gather   a buffer [P, ...]: rank j writes part j, and after the wait reads all parts
    scatter  a buffer [P, ...]: rank j writes part i for rank i, and after the wait reads what the
             others wrote for it
    Buffers of gathers come in pairs, for even and odd steps: a rank may be ahead of the others by
    less than a step.
    """

    def wait_all(self):
        raise NotImplementedError


class Shared(Exchange):
    name = "shared memory"

    def __init__(self, rank, size, arena, counters):
        self.rank, self.size = rank, size
        self.arena, self.used = arena, 0
        self.counters = memoryview(counters.numpy())
        self.count = int(self.counters[rank * LINE])
        self.others = [i for i in range(size) if i != rank]

    def allocate(self, shape, dtype):
        length = dtype.itemsize
        for n in shape:
            length *= n
        first = self.used
        self.used += -(-length // ALIGNMENT) * ALIGNMENT
        if self.used > self.arena.numel():
            raise MemoryError(f"an arena of {self.arena.numel()} bytes; {self.used} are needed")
        return self.arena[first : first + length].view(dtype).view(shape)

    def gather(self, shape, dtype):
        return self.allocate((self.size, *shape), dtype)

    def scatter(self, shape, dtype):
        every = self.allocate((self.size, self.size, *shape), dtype)
        return every[self.rank], [every[i][self.rank] for i in self.others]

    def start_gather(self, buffer):
        self.post()

    def start_scatter(self, mine, received):
        self.post()

    def post(self):
        # x86 keeps the order of stores, so that what was written before is there when the count is.
        self.count += 1
        self.counters[self.rank * LINE] = self.count

    def wait_all(self):
        counters, count = self.counters, self.count
        for i in self.others:
            spins = 0
            while counters[i * LINE] < count:
                spins += 1
                if spins > 20_000:
                    os.sched_yield()


class Gloo(Exchange):
    name = "gloo"

    def __init__(self, rank, size, empty):
        self.rank, self.size, self.empty = rank, size, empty
        self.others = [i for i in range(size) if i != rank]
        self.works = []

    def gather(self, shape, dtype):
        return self.empty((self.size, *shape), dtype=dtype)

    def scatter(self, shape, dtype):
        mine = self.empty((self.size, *shape), dtype=dtype)
        return mine, [self.empty(shape, dtype=dtype) for _ in self.others]

    def start_gather(self, buffer):
        for i in self.others:
            self.works += [dist.isend(buffer[self.rank], i), dist.irecv(buffer[i], i)]

    def start_scatter(self, mine, received):
        for i, into in zip(self.others, received):
            self.works += [dist.isend(mine[i], i), dist.irecv(into, i)]

    def wait_all(self):
        for work in self.works:
            work.wait()
        self.works.clear()
