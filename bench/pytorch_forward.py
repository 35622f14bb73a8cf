"""Samples a second of the same phantom network in PyTorch, on one thread.

    python3 bench/pytorch_forward.py --width 2048 --depth 2 --blocks 2 --ghosts 64 --batch 256

The blocks of a layer are written as one would by hand: the ghosts of all blocks side by side, each
block's own product, and one product with the others' ghosts. Both layouts are tried, a sample a row
and a sample a column, and the faster is reported.
"""

import argparse
import json
import os
import statistics
import time

# OpenBLAS has threads of its own, which torch.set_num_threads does not limit.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import torch


def network(options):
    width, blocks, ghosts = options.width, options.blocks, options.ghosts
    rows = width // blocks

    def uniform(*shape):
        return torch.empty(*shape).uniform_(-1, 1) / shape[-1] ** 0.5

    layers = [
        [
            (uniform(rows, rows), uniform(ghosts, rows), uniform(rows, (blocks - 1) * ghosts), torch.zeros(rows))
            for _ in range(blocks)
        ]
        for _ in range(options.depth)
    ]
    return uniform(width, options.features), layers, uniform(options.outputs, width)


def sample_a_row(options, entry, layers, head, x):
    a = torch.relu_(x @ entry.t()).chunk(options.blocks, 1)
    for layer in layers:
        g = [part @ c.t() for part, (_, c, _, _) in zip(a, layer)]
        z = []
        for j, (local, _, decompressor, bias) in enumerate(layer):
            others = torch.cat(g[:j] + g[j + 1 :], 1) if options.blocks > 2 else g[1 - j]
            own = torch.addmm(bias, a[j], local.t())
            z.append(torch.relu_(own.addmm_(others, decompressor.t())))
        a = z
    return torch.cat(a, 1) @ head.t()


def sample_a_column(options, entry, layers, head, x):
    a = torch.relu_(entry @ x).chunk(options.blocks, 0)
    for layer in layers:
        g = [c @ part for part, (_, c, _, _) in zip(a, layer)]
        z = []
        for j, (local, _, decompressor, bias) in enumerate(layer):
            others = torch.cat(g[:j] + g[j + 1 :], 0) if options.blocks > 2 else g[1 - j]
            own = torch.addmm(bias[:, None], local, a[j])
            z.append(torch.relu_(own.addmm_(decompressor, others)))
        a = z
    return head @ torch.cat(a, 0)


def median_ms(run, times):
    elapsed = []
    for _ in range(times + 5):
        began = time.perf_counter()
        run()
        elapsed.append(1000 * (time.perf_counter() - began))
    return statistics.median(elapsed[5:])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    sizes = [("width", 2048), ("depth", 2), ("blocks", 2), ("ghosts", 64), ("features", 64)]
    for name, default in [*sizes, ("outputs", 10), ("batch", 256), ("batches", 60)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with torch.inference_mode():
        parts = network(options)
        x = torch.randn(options.batch, options.features)
        xt = x.t().contiguous()
        one, onet = x[:1], xt[:, :1].contiguous()
        layouts = {
            "row": (lambda: sample_a_row(options, *parts, x), lambda: sample_a_row(options, *parts, one)),
            "column": (lambda: sample_a_column(options, *parts, xt), lambda: sample_a_column(options, *parts, onet)),
        }
        batch = {name: median_ms(run, options.batches) for name, (run, _) in layouts.items()}
        single = {name: median_ms(run, 200) for name, (_, run) in layouts.items()}
    best = min(batch, key=batch.get)
    print(json.dumps({"torch": torch.__version__, **vars(options), "batchMs": batch, "best": best,
                      "samplesPerS": 1000 * options.batch / batch[best], "singleMs": single}))
