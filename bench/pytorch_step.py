"""The tensor-parallel step of `npm run bench -- step --strategy tensor`, in PyTorch.

python3 bench/pytorch_step.py [--width 2048] [--depth 2] [--ranks 2] [--batch 128] [--steps 30]

One process and one thread per rank, gloo between them; Adam; layers of rows of the matrix with an
all-gather forward and a reduce-scatter backward; mse; ReLU between layers; the gradient of the
input is computed. Activations are [features, batch], as there. Prints one JSON object.
"""

import argparse
import json
import os
import statistics
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


class GatherLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        parts = [torch.empty_like(x) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, x)
        gathered = torch.cat(parts)
        ctx.save_for_backward(gathered, weight)
        return weight @ gathered

    @staticmethod
    def backward(ctx, dz):
        gathered, weight = ctx.saved_tensors
        contribution = weight.t() @ dz
        # gloo has no reduce-scatter here: an all-reduce, under way during the weight gradient.
        pending = dist.all_reduce(contribution, async_op=True)
        d_weight = dz @ gathered.t()
        pending.wait()
        rows = contribution.shape[0] // dist.get_world_size()
        first = dist.get_rank() * rows
        return contribution[first : first + rows], d_weight


def run(rank, options, results):
    torch.set_num_threads(1)
    os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = "127.0.0.1", "29517"
    dist.init_process_group("gloo", rank=rank, world_size=options.ranks)
    torch.manual_seed(rank)
    rows = options.width // options.ranks
    bound = (3 / options.width) ** 0.5
    weights = [
        torch.empty(rows, options.width).uniform_(-bound, bound).requires_grad_()
        for _ in range(options.depth)
    ]
    biases = [torch.zeros(rows, 1, requires_grad=True) for _ in range(options.depth)]
    optimizer = torch.optim.Adam(weights + biases, lr=1e-4)
    x = torch.randn(rows, options.batch, requires_grad=True)
    y = torch.randn(rows, options.batch)
    times = []
    for _ in range(options.steps + 5):
        dist.barrier()
        began = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        a = x
        for layer, (weight, bias) in enumerate(zip(weights, biases)):
            a = GatherLinear.apply(a, weight) + bias
            if layer < options.depth - 1:
                a = torch.relu(a)
        loss = ((a - y) ** 2).sum() / (options.width * options.batch)
        loss.backward()
        optimizer.step()
        times.append(1000 * (time.perf_counter() - began))
    results[rank] = times[5:]
    dist.destroy_process_group()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name, default in [("width", 2048), ("depth", 2), ("ranks", 2), ("batch", 128), ("steps", 30)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    results = mp.Manager().dict()
    mp.spawn(run, args=(options, results), nprocs=options.ranks)
    slowest = [max(step) for step in zip(*results.values())]
    print(json.dumps({"stepMs": statistics.median(slowest), "stepP10Ms": sorted(slowest)[len(slowest) // 10],
                      "torch": torch.__version__, **vars(options)}))
