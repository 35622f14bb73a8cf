"""The steps of bench/gpu/steps.ts in PyTorch: hidden layers alone, with the gradient of the input, Adam and
squared error, each with its batch from pinned memory and its loss read.

python3 bench/pytorch_gpu_step.py --out results.jsonl --widths 4096,8192 --blocks 8 --ghosts 64 --batch 128

One process on one device. A tensor-parallel network is the dense one there, and a phantom one is its blocks in
batched products. Each is run eagerly and as one CUDA graph, with PyTorch's fused Adam; with --compiled by torch.compile
in its mode reduce-overhead, which has CUDA graphs too, the narrowest first as compiling takes most of the time. The fastest
counts. bfloat16 has copies of the weights, which are written
anew after each update. Adds a JSON object for each to the file of results.
"""

import argparse
import json
import signal
import statistics
import sys
import time

try:
    import torch
except ImportError:
    sys.exit("PyTorch is not installed for " + sys.executable)

WARM_UP, FEWEST, MOST = 5, 5, 200
# How a part of gpu-check.sh ends that the machine has nothing for.
LEFT_OUT = 77


@torch.no_grad()
def copy_all(to, sources):
    """Copies tensors of one format to those of another: in few launches from PyTorch 2.1 on."""
    if hasattr(torch, "_foreach_copy_"):
        torch._foreach_copy_(to, sources)
    else:
        for one, source in zip(to, sources):
            one.copy_(source)


class Step:
    """A network, its optimizer and its batch."""

    def __init__(self, strategy, width, compute, options, device):
        self.width, self.batch, self.compute, self.device = width, options.batch, compute, device
        self.strategy, blocks, ghosts = strategy, options.blocks, options.ghosts
        rows = width // blocks
        self.shape = (width, options.batch) if strategy == "tensor" else (blocks, rows, options.batch)

        def parameter(*shape):
            return (torch.randn(*shape, device=device) / width**0.5).requires_grad_()

        self.layers = []
        for _ in range(options.depth):
            if strategy == "tensor":
                self.layers.append((parameter(width, width), parameter(width, 1)))
            else:
                self.layers.append(
                    (
                        parameter(blocks, rows, rows),
                        parameter(blocks, ghosts, rows),
                        parameter(blocks, rows, (blocks - 1) * ghosts),
                        parameter(blocks, rows, 1),
                    )
                )
        others = [[j for j in range(blocks) if j != i] for i in range(blocks)]
        self.others = torch.tensor(others, device=device)
        pinned = device == "cuda"
        self.host = [torch.randn(self.shape, pin_memory=pinned) for _ in range(2)]
        self.x = torch.zeros(self.shape, device=device).requires_grad_()
        self.y = torch.zeros(self.shape, device=device)
        self.parameters = [one for layer in self.layers for one in layer]
        self.copies = []
        if compute == "bfloat16":
            self.copies = [one.detach().bfloat16().requires_grad_() for one in self.parameters]
            copies = iter(self.copies)
            self.layers = [tuple(next(copies) for _ in layer) for layer in self.layers]
            for one in self.parameters:
                one.grad = torch.zeros_like(one)
        fast = {"fused": True, "capturable": True} if pinned else {}
        self.optimizer = torch.optim.Adam(self.parameters, lr=1e-6, **fast)

    def forward(self):
        a = self.x.bfloat16() if self.copies else self.x
        for i, layer in enumerate(self.layers):
            if self.strategy == "tensor":
                weight, bias = layer
                a = weight @ a + bias
            else:
                local, compressor, decompressor, bias = layer
                ghosts = torch.bmm(compressor, a)[self.others].flatten(1, 2)
                a = torch.bmm(local, a) + torch.bmm(decompressor, ghosts) + bias
            if i < len(self.layers) - 1:
                a = torch.relu(a)
        return ((a.float() - self.y) ** 2).sum() / (self.width * self.batch)

    def compute_step(self, forward=None):
        loss = (forward or self.forward)()
        loss.backward()
        if self.copies:
            gradients = [one.grad for one in self.copies]
            copy_all([one.grad for one in self.parameters], gradients)
        self.optimizer.step()
        if self.copies:
            copy_all(self.copies, self.parameters)
        return loss

    def load(self):
        with torch.no_grad():
            self.x.copy_(self.host[0], non_blocking=True)
            self.y.copy_(self.host[1], non_blocking=True)

    def clear(self):
        for one in [self.x, *(self.copies or self.parameters)]:
            one.grad = None

    def eager(self):
        self.load()
        self.clear()
        return self.compute_step().item()

    def graphed(self):
        """What replays the step as a graph."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.clear()
                self.compute_step()
        torch.cuda.current_stream().wait_stream(side)
        self.clear()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            loss = self.compute_step()

        def replay():
            self.load()
            graph.replay()
            return loss.item()

        return replay


    def compiled(self):
        """What runs the step with its passes compiled, once they have been."""
        if not hasattr(torch, "compile"):
            raise RuntimeError(f"PyTorch {torch.__version__} has no torch.compile")
        forward = torch.compile(self.forward, mode="reduce-overhead")

        def run():
            if hasattr(torch, "compiler") and hasattr(torch.compiler, "cudagraph_mark_step_begin"):
                torch.compiler.cudagraph_mark_step_begin()
            self.load()
            self.clear()
            return self.compute_step(forward).item()

        return run


def out_of_time(*_):
    raise TimeoutError("no time left")


def median_ms(step, budget):
    for _ in range(WARM_UP):
        step()
    times = []
    begun = time.perf_counter()
    while len(times) < FEWEST or (len(times) < MOST and time.perf_counter() - begun < budget):
        before = time.perf_counter()
        step()
        times.append(1000 * (time.perf_counter() - before))
    return statistics.median(times), len(times)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    parser.add_argument("--widths", default="32768,16384,8192,4096")
    parser.add_argument("--computes", default="float32,tf32,bfloat16")
    parser.add_argument("--until", type=float, default=float("inf"), help="when to begin nothing more, by time.time()")
    parser.add_argument("--budget", type=float, default=0.4)
    for name, default in [("depth", 2), ("blocks", 8), ("ghosts", 64), ("batch", 128)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--compiled", action="store_true", help="by torch.compile alone")
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    failed, measured = False, 0
    why = "nothing was to be compiled"
    ways = ("eager", "graphed") if device == "cuda" else ("eager",)
    if options.compiled:
        ways = ("compiled",)
        signal.signal(signal.SIGALRM, out_of_time)
    for width in map(int, options.widths.split(",")):
        for strategy in ("tensor", "phantom"):
            for compute in options.computes.split(","):
                for way in reversed(ways):
                    result = {
                        "part": "steps",
                        "by": "pytorch",
                        "torch": torch.__version__,
                        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
                        "strategy": strategy,
                        "width": width,
                        "compute": compute,
                        "graphs": way != "eager",
                        "way": way,
                    }
                    try:
                        if time.time() > options.until:
                            raise TimeoutError("no time left")
                        torch.backends.cuda.matmul.allow_tf32 = compute == "tf32"
                        step = Step(strategy, width, compute, options, device)
                        if options.compiled and options.until != float("inf"):
                            signal.setitimer(signal.ITIMER_REAL, max(0.1, options.until - time.time()))
                        run = step.eager if way == "eager" else getattr(step, way)()
                        result["stepMs"], result["steps"] = median_ms(run, options.budget)
                        measured += 1
                    except Exception as error:
                        failed = True
                        why = f"{type(error).__name__}: {error}".splitlines()[0]
                        result["failed"] = why
                    signal.setitimer(signal.ITIMER_REAL, 0)
                    step = run = None
                    if device == "cuda":
                        torch.cuda.empty_cache()
                    with open(options.out, "a") as file:
                        file.write(json.dumps(result) + "\n")
                    print(json.dumps(result), flush=True)
    if options.compiled:
        # What there was no time for is left out; a machine that compiles nothing has no compiler for it.
        if measured == 0:
            print(why)
        sys.exit(0 if measured > 0 else LEFT_OUT)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
