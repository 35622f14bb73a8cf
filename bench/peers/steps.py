"""Training steps in PyTorch, as fast as they could be written, for `npm run bench -- peers`.

    python3 bench/peers/steps.py FOLDER

One process and one thread per rank. The folder has setup.json and every tensor as float32, in files
of its name. Asked on standard input, a JSON object a line: {"strategy", "exchange", "warmup",
"steps"}; each starts anew, and answers likewise with the losses and the slowest rank's times. What makes it fast: no
autograd, no allocation, MKL or oneDNN by shape, fused Adam, and exchanges that are under way while
products are computed.
"""

import json
import os
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"

import numpy
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from exchange import Gloo, LINE, Shared
from layers import LAYERS, Parameter, Products


class Network:
    def __init__(self, setup, strategy, exchange, products, read):
        self.dtype = getattr(torch, setup["compute"])
        parts = (exchange, products, self.dtype, setup["batch"])
        self.parameters = []
        self.layers = []
        for index in range(setup["depth"]):
            layer = LAYERS[strategy](index)(parts, read, f"layers.{index}")
            self.layers.append(layer)
            self.parameters += layer.parameters
        self.z = torch.empty(setup["batch"], setup["width"] // setup["blocks"], dtype=self.dtype)
        self.scale = 1 / (setup["width"] * setup["batch"])
        values = [parameter.value for parameter in self.parameters]
        self.adam = torch.optim.Adam(values, lr=1e-4, fused=True)
        self.step_index = 0

    def step(self, x, y):
        """One step. @returns this rank's part of the loss"""
        for layer in self.layers:
            layer.begin(self.step_index)
        self.step_index += 1
        self.layers[0].entry().copy_(x)
        z = self.z
        for layer, following in zip(self.layers, [*self.layers[1:], None]):
            out = z if following is None else following.entry()
            layer.forward(out)
            if following is not None:
                out.relu_()
        dz = z.float().sub_(y)
        loss = torch.dot(dz.view(-1), dz.view(-1)).item() * self.scale
        dz = dz.mul_(2 * self.scale).to(self.dtype)
        for index in reversed(range(len(self.layers))):
            layer = self.layers[index]
            dz = layer.backward(dz)
            if index > 0:
                torch.ops.aten.threshold_backward.grad_input(dz, layer.entry(), 0, grad_input=dz)
        self.update()
        return loss

    def update(self):
        half = self.dtype != torch.float32
        if half:
            grads = [parameter.value.grad for parameter in self.parameters]
            torch._foreach_copy_(grads, [parameter.d for parameter in self.parameters])
        self.adam.step()
        if half:
            values = [parameter.value for parameter in self.parameters]
            torch._foreach_copy_([parameter.w for parameter in self.parameters], values)


class Rank:
    def __init__(self, rank, setup, arena, counters):
        self.rank, self.setup = rank, setup
        torch.set_num_threads(1)
        os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = "127.0.0.1", str(setup["port"])
        dist.init_process_group("gloo", rank=rank, world_size=setup["blocks"])
        self.products = Products()
        shared = lambda: Shared(rank, setup["blocks"], arena, counters)
        self.exchanges = {"shared": shared, "gloo": lambda: Gloo(rank, setup["blocks"], torch.empty)}

    def read(self, strategy, shapes):
        dtype = getattr(torch, self.setup["compute"])

        def parameter(name, split=None):
            array = self.array(f"{strategy}/{name}", shapes[name])
            if split is None:
                return Parameter(torch.from_numpy(array), dtype)
            return [Parameter(part.contiguous(), dtype) for part in torch.from_numpy(array).chunk(split, 1)]

        return parameter

    def array(self, name, shape):
        return numpy.fromfile(f"{self.setup['folder']}/{name}.f32", dtype=numpy.float32).reshape(shape)

    def part(self, name):
        """This rank's rows of a batch, a sample a row."""
        whole = self.array(name, (self.setup["width"], self.setup["batch"]))
        rows = self.setup["width"] // self.setup["blocks"]
        own = whole[self.rank * rows : (self.rank + 1) * rows]
        return torch.from_numpy(numpy.ascontiguousarray(own.T))

    @torch.no_grad()
    def answer(self, request):
        strategy, exchange = request["strategy"], request["exchange"]
        read = self.read(strategy, self.setup["shapes"][strategy][self.rank])
        network = Network(self.setup, strategy, self.exchanges[exchange](), self.products, read)
        x, y = self.part("x"), self.part("y")
        losses, times = [], []
        for _ in range(request["warmup"]):
            losses.append(network.step(x, y))
        for _ in range(request["steps"]):
            began = time.perf_counter()
            losses.append(network.step(x, y))
            times.append(1000 * (time.perf_counter() - began))
        chosen = sorted(set(self.products.chosen.values()))
        return {"losses": losses, "stepsMs": times, "products": chosen}


def serve(rank, setup, arena, counters, connection):
    own = Rank(rank, setup, arena, counters)
    while (request := connection.recv()) is not None:
        connection.send(own.answer(request))
    dist.destroy_process_group()


def main(folder):
    with open(f"{folder}/setup.json") as file:
        setup = {**json.load(file), "folder": folder}
    ranks, batch, width, depth = (setup[name] for name in ("blocks", "batch", "width", "depth"))
    # Of a layer: two gathers of all activations of all ranks, and what each sends to each.
    arena = torch.empty(4 * depth * 3 * ranks * batch * width + 65536, dtype=torch.uint8).share_memory_()
    counters = torch.zeros(ranks * LINE, dtype=torch.int64).share_memory_()
    context = mp.get_context("spawn")
    pipes = [context.Pipe() for _ in range(ranks)]
    for rank, (_, theirs) in enumerate(pipes):
        context.Process(target=serve, args=(rank, setup, arena, counters, theirs), daemon=True).start()
    print(json.dumps({"torch": torch.__version__}), flush=True)
    for line in sys.stdin:
        for mine, _ in pipes:
            mine.send(json.loads(line))
        answers = [mine.recv() for mine, _ in pipes]
        every = zip(*(answer["stepsMs"] for answer in answers))
        losses = zip(*(answer["losses"] for answer in answers))
        result = {
            "losses": [sum(parts) for parts in losses],
            "stepsMs": [max(step) for step in every],
            "products": answers[0]["products"],
        }
        print(json.dumps(result), flush=True)
    for mine, _ in pipes:
        mine.send(None)


if __name__ == "__main__":
    main(sys.argv[1])
