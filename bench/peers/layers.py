"""The layers of the training step, without autograd: every buffer is made once.

Activations are [batch, features], weights [outputs, inputs]. P ranks hold a block each; M = N / P.
"""

import time

import torch

ONEDNN = torch.ops.mkldnn._linear_pointwise


class Products:
    """Matrix products by MKL or oneDNN, whichever is faster for a shape: both are timed once.

    nt: out (+)= x wᵀ (+ bias) · nn: out (+)= x w · tn: out = xᵀ y
    """

    def __init__(self):
        self.chosen = {}

    def nt(self, x, w, out, bias=None, add=False):
        def mkl(out):
            if add:
                out.addmm_(x, w.t())
            elif bias is None:
                torch.mm(x, w.t(), out=out)
            else:
                torch.addmm(bias, x, w.t(), out=out)

        self.run("nt", x, w, out, add, mkl, lambda: ONEDNN(x, w, bias, "none", [], ""))

    def nn(self, x, w, out, add=False):
        def mkl(out):
            out.addmm_(x, w) if add else torch.mm(x, w, out=out)

        self.run("nn", x, w, out, add, mkl, lambda: ONEDNN(x, w.t(), None, "none", [], ""))

    def tn(self, x, y, out):
        def mkl(out):
            torch.mm(x.t(), y, out=out)

        self.run("tn", x, y, out, False, mkl, lambda: ONEDNN(x.t(), y.t(), None, "none", [], ""))

    def run(self, kind, a, b, out, add, mkl, onednn):
        def by_onednn(out):
            out.add_(onednn()) if add else out.copy_(onednn())

        key = (kind, a.shape, b.shape, add)
        name = self.chosen.get(key)
        if name is None:
            name = self.chosen[key] = self.fastest(out, {"MKL": mkl, "oneDNN": by_onednn})
        (mkl if name == "MKL" else by_onednn)(out)

    def fastest(self, out, ways):
        times = {}
        for name, way in ways.items():
            scratch = torch.empty_like(out)
            try:
                elapsed = []
                for _ in range(5):
                    began = time.perf_counter()
                    way(scratch)
                    elapsed.append(time.perf_counter() - began)
                times[name] = min(elapsed)
            except RuntimeError:
                # oneDNN has no such product on this processor.
                pass
        return min(times, key=times.get)


class Parameter:
    """Weights in float32, for Adam, and in what products take; likewise their gradient."""

    def __init__(self, value, dtype):
        self.value = value.requires_grad_()
        self.value.grad = torch.zeros_like(value)
        same = dtype == torch.float32
        self.w = value.detach() if same else value.detach().to(dtype)
        self.d = self.value.grad if same else torch.zeros_like(self.w)


class Layer:
    """What the layers share. `read` gives a tensor of the setup by its name."""

    def __init__(self, exchange, products, dtype, batch):
        self.exchange, self.products, self.dtype, self.batch = exchange, products, dtype, batch
        self.rank, self.others = exchange.rank, exchange.others

    def empty(self, columns):
        return torch.empty(self.batch, columns, dtype=self.dtype)

    def pair(self, columns):
        return [self.exchange.gather((self.batch, columns), self.dtype) for _ in range(2)]

    def begin(self, step):
        self.parity = step % 2

    def d_bias(self, dz):
        torch.sum(dz, 0, out=self.bias.d)


class Phantom(Layer):
    def __init__(self, parts, read, prefix):
        super().__init__(*parts)
        me = self.rank
        self.local = read(f"{prefix}.local.{me}")
        self.compressor = read(f"{prefix}.compressor.{me}")
        whole = read(f"{prefix}.decompressor.{me}", split=len(self.others))
        self.decompressors = dict(zip(self.others, whole))
        self.bias = read(f"{prefix}.bias.{me}")
        self.parameters = [self.local, self.compressor, *whole, self.bias]
        ghosts, width = self.compressor.w.shape
        self.x, self.dx = self.empty(width), self.empty(width)
        self.ghosts = self.pair(ghosts)
        self.owed, self.received = self.exchange.scatter((self.batch, ghosts), self.dtype)
        self.h = self.empty(ghosts)

    def entry(self):
        return self.x

    def forward(self, out):
        products, g = self.products, self.ghosts[self.parity]
        products.nt(self.x, self.compressor.w, g[self.rank])
        self.exchange.start_gather(g)
        products.nt(self.x, self.local.w, out, bias=self.bias.w)
        self.exchange.wait_all()
        for i in self.others:
            products.nt(g[i], self.decompressors[i].w, out, add=True)

    def backward(self, dz):
        products, g = self.products, self.ghosts[self.parity]
        for i in self.others:
            products.nn(dz, self.decompressors[i].w, self.owed[i])
        self.exchange.start_scatter(self.owed, self.received)
        products.tn(dz, self.x, self.local.d)
        for i in self.others:
            products.tn(dz, g[i], self.decompressors[i].d)
        self.d_bias(dz)
        products.nn(dz, self.local.w, self.dx)
        self.exchange.wait_all()
        h = self.received[0]
        for more in self.received[1:]:
            h = torch.add(h, more, out=self.h)
        products.tn(h, self.x, self.compressor.d)
        products.nn(h, self.compressor.w, self.dx, add=True)
        return self.dx


class Gathered(Layer):
    """A tensor-parallel layer, whose weight is kept by the block that its inputs come from."""

    def __init__(self, parts, read, prefix):
        super().__init__(*parts)
        ranks = len(self.others) + 1
        self.weights = read(f"{prefix}.weight.{self.rank}", split=ranks)
        self.bias = read(f"{prefix}.bias.{self.rank}")
        self.parameters = [*self.weights, self.bias]
        width = self.weights[0].w.shape[1]
        self.xs, self.dx = self.pair(width), self.empty(width)
        self.owed, self.received = self.exchange.scatter((self.batch, width), self.dtype)

    def entry(self):
        return self.xs[self.parity][self.rank]

    def forward(self, out):
        products, x = self.products, self.xs[self.parity]
        self.exchange.start_gather(x)
        products.nt(x[self.rank], self.weights[self.rank].w, out, bias=self.bias.w)
        self.exchange.wait_all()
        for i in self.others:
            products.nt(x[i], self.weights[i].w, out, add=True)

    def backward(self, dz):
        products, x = self.products, self.xs[self.parity]
        for i in self.others:
            products.nn(dz, self.weights[i].w, self.owed[i])
        self.exchange.start_scatter(self.owed, self.received)
        for i, weight in enumerate(self.weights):
            products.tn(dz, x[i], weight.d)
        self.d_bias(dz)
        products.nn(dz, self.weights[self.rank].w, self.dx)
        self.exchange.wait_all()
        for part in self.received:
            self.dx.add_(part)
        return self.dx


class Reduced(Layer):
    """What the two layers of a pair share: all partial sums are gathered and added."""

    def __init__(self, parts, read, prefix):
        super().__init__(*parts)
        self.weight = read(f"{prefix}.weight.{self.rank}")
        self.bias = read(f"{prefix}.bias.{self.rank}")
        self.parameters = [self.weight, self.bias]
        outputs, inputs = self.weight.w.shape
        self.x, self.dx = self.empty(inputs), self.empty(inputs)
        self.partial = self.pair(max(inputs, outputs))

    def entry(self):
        return self.x

    def add_up(self, partial, out):
        torch.add(partial[0], partial[1], out=out)
        for more in partial[2:]:
            out.add_(more)


class Row(Reduced):
    def forward(self, out):
        partial = self.partial[self.parity]
        mine, rows = partial[self.rank], self.bias.w.shape[0]
        self.products.nt(self.x, self.weight.w, mine)
        self.own = slice(self.rank * rows, (self.rank + 1) * rows)
        mine[:, self.own].add_(self.bias.w)
        self.exchange.start_gather(partial)
        self.exchange.wait_all()
        self.add_up(partial, out)

    def backward(self, dz):
        self.products.nn(dz, self.weight.w, self.dx)
        self.products.tn(dz, self.x, self.weight.d)
        self.d_bias(dz[:, self.own])
        return self.dx


class Column(Reduced):
    def forward(self, out):
        self.products.nt(self.x, self.weight.w, out, bias=self.bias.w)

    def backward(self, dz):
        partial = self.partial[self.parity]
        self.products.nn(dz, self.weight.w, partial[self.rank])
        self.exchange.start_gather(partial)
        self.products.tn(dz, self.x, self.weight.d)
        self.d_bias(dz)
        self.exchange.wait_all()
        self.add_up(partial, self.dx)
        return self.dx


LAYERS = {
    "phantom": lambda index: Phantom,
    "tensor": lambda index: Gathered,
    "tensor-paired": lambda index: (Row, Column)[index % 2],
}
