"""The steps of bench/gpu/steps.ts in PyTorch: hidden layers alone, with the gradient of the input, Adam and
squared error, each with its batch from pinned memory and its loss read.

python3 bench/pytorch_gpu_step.py --out results.jsonl --widths 4096,8192 --blocks 8 --ghosts 64 --batch 128

One process on one device. A tensor-parallel network is the dense one there, and a phantom one is its blocks in
batched products. Each is written in several forms (FORMS), which --agree compares at small sizes, and each form is run
as one CUDA graph with PyTorch's fused Adam; the fastest form eagerly too, and with --compiled all forms by torch.compile
in its mode reduce-overhead, which has CUDA graphs too. The fastest counts. bfloat16 has copies of the weights, which
are written anew after each update. Adds a JSON object for each to the file of results.
"""

import argparse
import json
import signal
import statistics
import sys
import time

try:
    import torch
    import torch.nn.functional as F
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


# How a layer is written. columns: features by samples, W x + b. linear: samples by features, with the bias in the
# product. indexed: a block's ghosts of the others by their indices, L x + D G + b by products that add. cyclic: the same,
# the others in the order from the next block on, which is a view of all ghosts twice. joined: [L D] [x; G] + b as one
# product.
FORMS = {"tensor": ("linear", "columns"), "phantom": ("cyclic", "joined", "indexed")}


class Step:
    """A network in one of its forms, its optimizer and its batch."""

    def __init__(self, strategy, width, compute, options, device, form):
        self.width, self.batch, self.compute, self.device = width, options.batch, compute, device
        self.form, self.blocks, self.ghosts = form, options.blocks, options.ghosts
        blocks, ghosts = options.blocks, options.ghosts
        rows = width // blocks
        torch.manual_seed(0)

        def random(*shape):
            return torch.randn(*shape, device=device) / width**0.5

        others = [[(i + j) % blocks for j in range(1, blocks)] for i in range(blocks)]
        if form == "indexed":
            others = [sorted(one) for one in others]
        self.others = torch.tensor(others, device=device)
        self.layers = []
        for _ in range(options.depth):
            if strategy == "tensor":
                layer = [random(width, width), random(width, 1)]
                if form == "linear":
                    layer[1] = layer[1].flatten()
            else:
                # The decompressor by block of its ghosts, so that all forms begin with the same network.
                local, compressor = random(blocks, rows, rows), random(blocks, ghosts, rows)
                decompressor, bias = random(blocks, rows, blocks, ghosts), random(blocks, rows, 1)
                own = [one[:, order].flatten(1) for one, order in zip(decompressor, self.others)]
                layer = [local, compressor, torch.stack(own), bias]
                if form == "joined":
                    layer = [torch.cat([local, layer[2]], 2), compressor, bias]
            self.layers.append(tuple(one.requires_grad_() for one in layer))
        self.shape = (width, options.batch) if strategy == "tensor" else (blocks, rows, options.batch)
        pinned = device == "cuda"
        self.host = [torch.randn(self.shape) for _ in range(2)]
        if form == "linear":
            self.shape = (options.batch, width)
            self.host = [one.T.contiguous() for one in self.host]
        if pinned:
            self.host = [one.pin_memory() for one in self.host]
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

    def others_ghosts(self, ghosts):
        """[P, (P-1)K, B] of [P, K, B]."""
        if self.form == "indexed":
            return ghosts.index_select(0, self.others.flatten()).view(self.blocks, -1, self.batch)
        # From each block on, the next P-1 of the ghosts twice, without the block's own.
        flat = ghosts.flatten(0, 1)
        twice = torch.cat([flat[self.ghosts :], flat[: -self.ghosts]])
        return twice.unfold(0, (self.blocks - 1) * self.ghosts, self.ghosts).transpose(1, 2)

    def layer(self, a, layer):
        if self.form == "linear":
            return F.linear(a, *layer)
        if self.form == "columns":
            weight, bias = layer
            return torch.addmm(bias, weight, a)
        if self.form == "joined":
            weight, compressor, bias = layer
            ghosts = self.others_ghosts(torch.bmm(compressor, a))
            return torch.baddbmm(bias, weight, torch.cat([a, ghosts], 1))
        local, compressor, decompressor, bias = layer
        ghosts = self.others_ghosts(torch.bmm(compressor, a))
        return torch.baddbmm(torch.baddbmm(bias, local, a), decompressor, ghosts)

    def forward(self):
        a = self.x.bfloat16() if self.copies else self.x
        for i, layer in enumerate(self.layers):
            a = self.layer(a, layer)
            if i < len(self.layers) - 1:
                a = F.relu(a, inplace=True)
        return F.mse_loss(a.float(), self.y)

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
        # Each network by itself: one whose code was compiled for other sizes before gets general, slower code.
        torch._dynamo.reset()
        forward = torch.compile(self.forward, mode="reduce-overhead", dynamic=False)

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


def agree(options):
    """Losses and gradients of all forms of a strategy, on the same numbers."""
    for strategy, forms in FORMS.items():
        for compute in ("float32", "bfloat16"):
            found = []
            for form in forms:
                step = Step(strategy, 64, compute, options, "cpu", form)
                loss = step.eager()
                gradient = step.x.grad.T if form == "linear" else step.x.grad
                squares = [sum((one.grad.double() ** 2).sum().item() for one in step.parameters)]
                found.append(torch.tensor([loss, *squares, *gradient.flatten().tolist()]))
            for form, one in zip(forms, found):
                far = ((one - found[0]).abs().max() / found[0].abs().max()).item()
                far = max(far, ((one[2:] - found[0][2:]).abs().max() / found[0][2:].abs().max()).item())
                print(f"{strategy} {compute} {form}: {far:.1e} from {forms[0]}")
                if not far < (1e-5 if compute == "float32" else 2e-2):
                    return 1
    return 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out")
    parser.add_argument("--widths", default="4096,32768,16384,8192")
    parser.add_argument("--computes", default="float32,tf32,bfloat16")
    parser.add_argument("--until", type=float, default=float("inf"), help="when to begin nothing more, by time.time()")
    parser.add_argument("--budget", type=float, default=0.25)
    for name, default in [("depth", 2), ("blocks", 8), ("ghosts", 64), ("batch", 128)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--compiled", action="store_true", help="by torch.compile alone")
    parser.add_argument("--agree", action="store_true", help="compare the forms, and measure nothing")
    options = parser.parse_args()
    if options.agree:
        sys.exit(agree(options))
    if options.out is None:
        parser.error("--out is needed")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    failed, taken = False, 0
    why = "nothing was to be compiled"
    if options.compiled:
        signal.signal(signal.SIGALRM, out_of_time)

    def measured(strategy, width, compute, form, way):
        """The median of a step; infinite where there is none."""
        nonlocal failed, taken, why
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
            "form": form,
        }
        step = run = None
        try:
            if time.time() > options.until:
                raise TimeoutError("no time left")
            torch.backends.cuda.matmul.allow_tf32 = compute == "tf32"
            step = Step(strategy, width, compute, options, device, form)
            if options.compiled and options.until != float("inf"):
                signal.setitimer(signal.ITIMER_REAL, max(0.1, options.until - time.time()))
            run = step.eager if way == "eager" else getattr(step, way)()
            result["stepMs"], result["steps"] = median_ms(run, options.budget)
            taken += 1
        except Exception as error:
            failed = failed or not isinstance(error, TimeoutError)
            why = f"{type(error).__name__}: {error}".splitlines()[0]
            result["failed"] = why
        signal.setitimer(signal.ITIMER_REAL, 0)
        step = run = None
        if device == "cuda":
            torch.cuda.empty_cache()
        with open(options.out, "a") as file:
            file.write(json.dumps(result) + "\n")
        print(json.dumps(result), flush=True)
        return result.get("stepMs", float("inf"))

    way = "compiled" if options.compiled else "graphed" if device == "cuda" else "eager"
    for width in map(int, options.widths.split(",")):
        for strategy, forms in FORMS.items():
            for compute in options.computes.split(","):
                by_form = {form: measured(strategy, width, compute, form, way) for form in forms}
                if way == "graphed":
                    measured(strategy, width, compute, min(by_form, key=by_form.get), "eager")
    if options.compiled:
        # What there was no time for is left out; a machine that compiles nothing has no compiler for it.
        if taken == 0:
            print(why)
        sys.exit(0 if taken > 0 else LEFT_OUT)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
