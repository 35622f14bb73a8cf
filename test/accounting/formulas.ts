import type { StepCost } from '#src/analysis/network-cost.js';
import type { PassCost } from '#src/layers/cost.js';
import { ghostsOf, type NetworkSpecification } from '#src/model/specification.js';
import { rowBytes } from '#src/tensor/precision.js';

/** The kind of hidden layer `l`: paired layers are `row` then `column`, an odd last one is gathered. */
function hiddenKind({ strategy, depth }: NetworkSpecification, layer: number) {
  if (strategy === 'phantom') return 'phantom';
  const unpaired = depth % 2 === 1 && layer === depth - 1;
  if (strategy === 'tensor' || unpaired) return 'gather';
  return layer % 2 === 0 ? 'row' : 'column';
}

/**
 * Matrix-product FLOPs and payload bytes of the rank that hosts P/R blocks, for one pass of B
 * columns, by the formulas of a layer (M = N/P; each product of an a×b by a b×c matrix is 2abc):
 *
 * | layer | forward FLOPs of a block | bytes of a rank in a pass |
 * |---|---|---|
 * | phantom | 2B(M² + P·K·M) | 4(R−1)(P/R)·K·B |
 * | phantom in low precision | 2B(M² + P·K·M) | (R−1)(P/R)·K·b, backward P/R times that |
 * | gather (tensor) | 2B·M·N | 4(R−1)(P/R)·M·B |
 * | row, column | 2B·M·N | all-reduce of N·B |
 * | input (column), head (row) | 2B·M·F, 2B·T·M | none, all-reduce of T·B |
 *
 * where b are the bytes of a row of B ghosts: 2B in bfloat16, 4 + B in int8.
 *
 * Backward is twice the forward, but for the layer that the data enter: it needs no gradient of
 * its input, unless `inputGradient` says so.
 */
export function stepCostFormula(
  specification: NetworkSpecification,
  ranks: number,
  columns: number,
  inputGradient = false,
): StepCost {
  const { width: N, depth, blocks: P, ghostPrecision = 'float32', ends } = specification;
  const M = N / P;
  const here = P / ranks;
  const product = (rows: number, inner: number) => 2 * columns * here * rows * inner;
  const forward = new Sum();
  const backward = new Sum();
  const allReduce = (rows: number) => 2 * (ranks - 1) * Math.ceil((rows * columns) / ranks) * 4;

  if (ends.kind === 'replicated') {
    forward.add(product(M, ends.inputs));
    if (inputGradient) backward.add(2 * product(M, ends.inputs), allReduce(ends.inputs));
    else backward.add(product(M, ends.inputs));
    forward.add(product(ends.outputs, M), allReduce(ends.outputs));
    backward.add(2 * product(ends.outputs, M));
  }
  for (let layer = 0; layer < depth; layer++) {
    const needsGradient = layer > 0 || ends.kind === 'replicated' || inputGradient;
    const kind = hiddenKind(specification, layer);
    if (kind === 'phantom') {
      const K = ghostsOf(specification, layer);
      const bytes = (ranks - 1) * here * K * rowBytes(ghostPrecision, columns);
      const returned = ghostPrecision === 'float32' ? bytes : bytes * here;
      const once = product(M, M) + product(M, P * K);
      forward.add(once, bytes);
      backward.add(2 * once - (needsGradient ? 0 : product(M, M) + product(M, K)), returned);
      continue;
    }
    const once = product(M, N);
    const shards = 4 * (ranks - 1) * here * M * columns;
    const twice = needsGradient ? 2 * once : once;
    forward.add(once, kind === 'gather' ? shards : kind === 'row' ? allReduce(N) : null);
    const communicates = needsGradient && kind !== 'row';
    backward.add(twice, communicates ? (kind === 'gather' ? shards : allReduce(N)) : null);
  }
  return { forward: forward.cost(), backward: backward.cost(), total: forward.plus(backward) };
}

class Sum {
  #flops = 0;
  #bytes = 0;
  #collectives = 0;

  /** @param bytes sent, and as many received, by one collective; null: no collective */
  add(flops: number, bytes: number | null = null): void {
    this.#flops += flops;
    if (bytes === null) return;
    this.#bytes += bytes;
    this.#collectives++;
  }

  cost(): PassCost {
    return {
      flops: this.#flops,
      sentBytes: this.#bytes,
      receivedBytes: this.#bytes,
      collectives: this.#collectives,
    };
  }

  plus(other: Sum): PassCost {
    const sum = new Sum();
    sum.#flops = this.#flops + other.#flops;
    sum.#bytes = this.#bytes + other.#bytes;
    sum.#collectives = this.#collectives + other.#collectives;
    return sum.cost();
  }
}

/** Parameters of the whole network. */
export function parameterCountFormula(specification: NetworkSpecification): number {
  const { width: N, depth, blocks: P, strategy, ends } = specification;
  const M = N / P;
  let hidden = 0;
  for (let layer = 0; layer < depth; layer++) {
    const K = ghostsOf(specification, layer);
    hidden += strategy === 'phantom' ? P * (M * M + P * K * M) + N : N * N + N;
  }
  const ports =
    ends.kind === 'replicated' ? N * ends.inputs + N + ends.outputs * N + ends.outputs : 0;
  return hidden + ports;
}

/** Bytes of the largest payload that a rank hands to one collective in a step of B columns. */
export function largestPayloadFormula(
  specification: NetworkSpecification,
  ranks: number,
  columns: number,
): number {
  const { width: N, depth, blocks: P, ghosts: K, ghostPrecision = 'float32', ends } = specification;
  if (ranks === 1) return 0;
  const contributors = ghostPrecision === 'float32' ? 1 : P / ranks;
  const ghosts = contributors * P * K * rowBytes(ghostPrecision, columns);
  const hidden = Array.from({ length: depth }, (_, layer) =>
    hiddenKind(specification, layer) === 'phantom' ? ghosts : 4 * N * columns,
  );
  return Math.max(...hidden, ends.kind === 'replicated' ? 4 * ends.outputs * columns : 0);
}
