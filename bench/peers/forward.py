"""Answers of a phantom network in PyTorch and ONNX Runtime, one thread, for `npm run bench -- peers`.

    python3 bench/peers/forward.py FOLDER

The folder has setup.json, the exported model.safetensors and model.onnx, and x.f32, rows of
features. Asked on standard input, a JSON object a line: {"peer", "batch", "times"}; answers likewise
with the times and the first answers.
"""

import json
import os
import struct
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"

import numpy
import torch
import torch._inductor.config
from torch.nn.functional import linear


def read_tensors(file):
    with open(file, "rb") as bytes_of:
        (length,) = struct.unpack("<Q", bytes_of.read(8))
        header = json.loads(bytes_of.read(length))
        data = bytearray(bytes_of.read())
    header.pop("__metadata__", None)
    return {
        name: torch.frombuffer(data, dtype=torch.float32, count=at[1] - at[0] >> 2, offset=at[0]).reshape(entry["shape"])
        for name, entry in header.items()
        for at in [entry["data_offsets"]]
    }


class Rows(torch.nn.Module):
    """A sample a row; the ghosts of all blocks first."""

    def __init__(self, setup, tensors):
        super().__init__()
        self.blocks, self.depth = setup["blocks"], setup["depth"]
        self.names = {name: name.replace(".", "_") for name in tensors}
        for name, tensor in tensors.items():
            self.register_buffer(self.names[name], tensor)

    def tensor(self, name):
        return getattr(self, self.names[name])

    def forward(self, x):
        a = torch.relu(linear(x, self.tensor("input.weight"), self.tensor("input.bias"))).chunk(self.blocks, 1)
        for layer in range(self.depth):
            a = self.hidden(a, f"layers.{layer}")
        return linear(torch.cat(a, 1), self.tensor("head.weight"), self.tensor("head.bias"))

    def others(self, g, j):
        others = g[:j] + g[j + 1 :]
        return others[0] if len(others) == 1 else torch.cat(others, 1)

    def hidden(self, a, prefix):
        g = [linear(part, self.tensor(f"{prefix}.compressor.{j}")) for j, part in enumerate(a)]
        z = []
        for j, part in enumerate(a):
            own = linear(part, self.tensor(f"{prefix}.local.{j}"), self.tensor(f"{prefix}.bias.{j}"))
            decompressor = self.tensor(f"{prefix}.decompressor.{j}")
            z.append(torch.relu(torch.addmm(own, self.others(g, j), decompressor.t())))
        return z


class Stacked(Rows):
    """A block's own weights and its compressor in one product."""

    def __init__(self, setup, tensors):
        super().__init__(setup, tensors)
        for layer in range(self.depth):
            for j in range(self.blocks):
                local, compressor, bias = (
                    tensors[f"layers.{layer}.{name}.{j}"] for name in ("local", "compressor", "bias")
                )
                self.register_buffer(f"stack_{layer}_{j}", torch.cat([local, compressor]))
                zeros = torch.zeros(compressor.shape[0])
                self.register_buffer(f"shift_{layer}_{j}", torch.cat([bias, zeros]))

    def hidden(self, a, prefix):
        layer = prefix.removeprefix("layers.")
        both = [
            linear(part, getattr(self, f"stack_{layer}_{j}"), getattr(self, f"shift_{layer}_{j}"))
            for j, part in enumerate(a)
        ]
        rows = self.tensor(f"{prefix}.bias.0").shape[0]
        g = [one[:, rows:] for one in both]
        z = []
        for j, one in enumerate(both):
            decompressor = self.tensor(f"{prefix}.decompressor.{j}")
            z.append(one[:, :rows].addmm_(self.others(g, j), decompressor.t()).relu_())
        return z


class Columns(Rows):
    """A sample a column."""

    def forward(self, x):
        bias = lambda name: self.tensor(name)[:, None]
        a = torch.addmm(bias("input.bias"), self.tensor("input.weight"), x.t()).relu_().chunk(self.blocks, 0)
        for layer in range(self.depth):
            prefix = f"layers.{layer}"
            g = [self.tensor(f"{prefix}.compressor.{j}") @ part for j, part in enumerate(a)]
            z = []
            for j, part in enumerate(a):
                others = g[:j] + g[j + 1 :]
                received = others[0] if len(others) == 1 else torch.cat(others, 0)
                own = torch.addmm(bias(f"{prefix}.bias.{j}"), self.tensor(f"{prefix}.local.{j}"), part)
                z.append(own.addmm_(self.tensor(f"{prefix}.decompressor.{j}"), received).relu_())
            a = z
        return torch.addmm(bias("head.bias"), self.tensor("head.weight"), torch.cat(a, 0)).t()


def compiled(setup, tensors):
    """The faster code of Inductor: weights are constants, packed for oneDNN, passes fused."""
    torch._inductor.config.freezing = True
    torch._inductor.config.cpp.enable_kernel_profile = False
    return torch.compile(Rows(setup, tensors).eval(), dynamic=False)


def onnx_runtime(folder):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(f"{folder}/model.onnx", options, ["CPUExecutionProvider"])
    return onnxruntime.__version__, lambda x: session.run(["y"], {"x": x})[0]


def main(folder):
    with open(f"{folder}/setup.json") as file:
        setup = json.load(file)
    torch.set_num_threads(1)
    tensors = read_tensors(f"{folder}/model.safetensors")
    rows = numpy.fromfile(f"{folder}/x.f32", dtype=numpy.float32).reshape(-1, setup["features"])
    versions = {"torch": torch.__version__}
    peers = {
        "PyTorch, rows": Rows(setup, tensors),
        "PyTorch, rows, stacked": Stacked(setup, tensors),
        "PyTorch, columns": Columns(setup, tensors),
        "PyTorch, compiled": compiled(setup, tensors),
    }
    peers = {name: (lambda x, run=run: run(torch.from_numpy(x)).numpy()) for name, run in peers.items()}
    try:
        versions["onnxruntime"], peers["ONNX Runtime"] = onnx_runtime(folder)
    except ImportError as missing:
        versions["onnxruntime"] = None
        print(missing, file=sys.stderr)
    print(json.dumps({**versions, "peers": list(peers)}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        run, x = peers[request["peer"]], rows[: request["batch"]]
        times = []
        with torch.inference_mode():
            for _ in range(request["warmup"]):
                y = run(x)
            for _ in range(request["times"]):
                began = time.perf_counter()
                run(x)
                times.append(1000 * (time.perf_counter() - began))
        print(json.dumps({"ms": times, "y": numpy.asarray(y).ravel().tolist()}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
