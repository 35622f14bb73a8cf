import type { StepCost } from '#src/analysis/network-cost.js';
import type { PassCost } from '#src/layers/cost.js';
import { ghostsOf, type NetworkSpecification } from '#src/model/specification.js';
import { rowBytes } from '#src/tensor/precision.js';

/** A linear layer by its padded widths, as the formulas take it. */
interface Sizes {
  readonly kind: 'phantom' | 'gather' | 'row' | 'column';
  readonly inputs: number;
  readonly outputs: number;
  readonly ghosts: number;
  /** Outputs that have a bias. */
  readonly biases: number;
  /** Whether a row travels with each block's for the normalization. */
  readonly normed?: boolean;
  /** Further collectives, by rows: all-gathers and all-reduces of a pass. */
  readonly gathers?: { readonly forward: number; readonly backward: number };
  readonly reduces?: number;
}

/** Of residual blocks. */
function residualLayersOf(specification: NetworkSpecification): Sizes[] {
  const { depth, blocks: P, width: N, ends, input, head, ghosts, strategy } = specification;
  const { norm = 'none', expansion = 1, gated = false } = specification.residual ?? {};
  const up = (count: number) => Math.ceil(count / P) * P;
  const { compute = 'float32', ghostPrecision = compute } = specification;
  const normed = norm === 'rms';
  // Statistics travel with what layers exchange where all of it is float32, and linear.
  const isFloat = compute === 'float32' && ghostPrecision === 'float32';
  const canRide = isFloat && specification.ghostActivation === undefined;
  const isWhole = strategy === 'tensor-paired';
  const inner = N * expansion;
  const upper = gated ? 2 * inner : inner;
  const kinds = {
    phantom: ['phantom', 'phantom'],
    tensor: ['gather', 'gather'],
    'tensor-paired': ['column', 'row'],
  } as const;
  const [upKind, downKind] = kinds[strategy];
  const whole = ends.kind === 'sharded' && isWhole ? N : 0;
  const layers = Array.from({ length: depth }, (_, l): Sizes[] => [
    {
      ...{ kind: upKind, inputs: N, outputs: upper, ghosts: ghostsOf(specification, l) },
      ...{ biases: upper, normed: normed && !isWhole && canRide },
      reduces: normed && !isWhole && !canRide ? 1 : 0,
      gathers: { forward: l === 0 ? whole : 0, backward: 0 },
    },
    {
      ...{ kind: downKind, inputs: inner, outputs: N, ghosts: ghostsOf(specification, l) },
      ...{ biases: N, gathers: { forward: 0, backward: l === depth - 1 ? whole : 0 } },
    },
  ]).flat();
  if (ends.kind === 'sharded') return layers;
  const [F, T] = [input ? up(ends.inputs) : ends.inputs, head ? up(ends.outputs) : ends.outputs];
  const stream = isWhole ? N : 0;
  const rides = head !== undefined && !isWhole && canRide;
  return [
    {
      ...{ kind: input ?? 'column', inputs: F, outputs: N, ghosts: Math.min(ghosts, F / P) },
      ...{ biases: N, gathers: { forward: stream, backward: 0 } },
    },
    ...layers,
    {
      ...{ kind: head ?? 'row', inputs: N, outputs: T, ghosts: Math.min(ghosts, N / P) },
      ...{ biases: T, normed: normed && rides, reduces: normed && !rides && !isWhole ? 1 : 0 },
      gathers: { forward: 0, backward: stream },
    },
  ];
}

function layersOf(specification: NetworkSpecification): Sizes[] {
  if (specification.residual) return residualLayersOf(specification);
  const { depth, blocks: P, width, widths, ends, input, head, ghosts } = specification;
  const at = (layer: number) => widths?.[layer] ?? width;
  const up = (count: number) => Math.ceil(count / P) * P;
  const sizes = (kind: Sizes['kind'], inputs: number, outputs: number, K: number): Sizes => ({
    ...{ kind, inputs, outputs, ghosts: K, biases: outputs },
  });
  const hidden = Array.from({ length: depth }, (_, l) =>
    sizes(hiddenKind(specification, l), at(l), at(l + 1), ghostsOf(specification, l)),
  );
  if (ends.kind === 'sharded') return hidden;
  const [F, T] = [input ? up(ends.inputs) : ends.inputs, head ? up(ends.outputs) : ends.outputs];
  return [
    sizes(input ?? 'column', F, at(0), Math.min(ghosts, F / P)),
    ...hidden,
    sizes(head ?? 'row', at(depth), T, Math.min(ghosts, at(depth) / P)),
  ];
}

/** The kind of hidden layer `l`: paired layers are `row` then `column`, an odd last one is gathered. */
function hiddenKind({ strategy, depth }: NetworkSpecification, layer: number) {
  if (strategy === 'phantom') return 'phantom';
  const unpaired = depth % 2 === 1 && layer === depth - 1;
  if (strategy === 'tensor' || unpaired) return 'gather';
  return layer % 2 === 0 ? 'row' : 'column';
}

/**
 * Matrix-product FLOPs and payload bytes of the rank that hosts P/R blocks, for one pass of B
 * columns, by the formulas of a layer from m·P to n·P rows (each product of an a×b by a b×c matrix
 * is 2abc):
 *
 * | layer | forward FLOPs of a block | bytes of a rank in a pass |
 * |---|---|---|
 * | phantom | 2B(n·m + K·m + (P−1)·K·n) | 4(R−1)(P/R)·K·B |
 * | phantom in low precision | the same | (R−1)(P/R)·K·b, backward P/R times that |
 * | gather | 2B·n·P·m | 4(R−1)(P/R)·m·B |
 * | gather in bfloat16 | the same | 2(R−1)(P/R)·m·B, backward P/R times that |
 * | row | 2B·P·n·m | all-reduce of P·n·B forward |
 * | column | 2B·n·P·m | all-reduce of P·m·B backward |
 *
 * where b are the bytes of a row of B ghosts: 2B in bfloat16, 4 + B in int8.
 *
 * What is made again is added to the backward pass (`remadeLayers`).
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
  const { blocks: P, compute = 'float32', ghostPrecision = compute } = specification;
  const here = P / ranks;
  const product = (rows: number, inner: number) => 2 * columns * here * rows * inner;
  const forward = new Sum();
  const backward = new Sum();
  const allReduce = (rows: number) => 2 * (ranks - 1) * Math.ceil((rows * columns) / ranks) * 4;
  const gathered = (rows: number) => 4 * (ranks - 1) * here * (rows / P) * columns;
  for (const [i, layer] of layersOf(specification).entries()) {
    const { kind, inputs, outputs, ghosts: K, normed = false, gathers, reduces = 0 } = layer;
    const needsGradient = i > 0 || inputGradient;
    const [m, n] = [inputs / P, outputs / P];
    if (gathers?.forward) forward.add(0, gathered(gathers.forward));
    if (gathers?.backward) backward.add(0, gathered(gathers.backward));
    if (reduces > 0) {
      forward.add(0, allReduce(reduces));
      if (needsGradient) backward.add(0, allReduce(reduces));
    }
    if (kind === 'phantom') {
      const rows = normed ? K + 1 : K;
      const bytes = (ranks - 1) * here * rows * rowBytes(ghostPrecision, columns);
      const returned = ghostPrecision === 'float32' ? bytes : bytes * here;
      const once = product(n, m) + product(K, m) + product(n, (P - 1) * K);
      forward.add(once, bytes);
      backward.add(2 * once - (needsGradient ? 0 : product(n, m) + product(m, K)), returned);
      continue;
    }
    const once = kind === 'row' ? product(outputs, m) : product(n, inputs);
    const shards = (compute === 'float32' ? 4 : 2) * (ranks - 1) * here * m * columns;
    const twice = needsGradient ? 2 * once : once;
    forward.add(once, kind === 'gather' ? shards : kind === 'row' ? allReduce(outputs) : null);
    const communicates = needsGradient && kind !== 'row';
    const contributors = compute === 'float32' ? 1 : here;
    const returned = normed ? gathered(inputs + P) : contributors * shards;
    backward.add(twice, communicates ? (kind === 'gather' ? returned : allReduce(inputs)) : null);
  }
  for (const [layer, isSum] of remadeLayers(specification)) {
    const { kind, inputs, outputs, ghosts: K } = layer;
    const [m, n] = [inputs / P, outputs / P];
    // What a residual block ends with is added to the stream and read by no gradient.
    const result = (flops: number) => (isSum ? 0 : flops);
    const shards = (compute === 'float32' ? 4 : 2) * (ranks - 1) * here * m * columns;
    if (kind === 'phantom') backward.add(result(product(n, m) + product(n, (P - 1) * K)));
    else if (kind === 'gather') backward.add(result(product(n, inputs)), shards);
    else if (kind === 'column') backward.add(result(product(n, inputs)));
    else if (!isSum) backward.add(product(outputs, m), allReduce(outputs));
  }
  return { forward: forward.cost(), backward: backward.cost(), total: forward.plus(backward) };
}

/**
 * Layers whose forward pass is made again, and whether a residual block that is the last of its part ends
 * with it: those of all parts of `recompute` hidden layers or blocks but the last two. Ghosts are kept, and
 * the root mean squares; all-gathers of activations and all-reduces of what is wanted are done again.
 */
function remadeLayers(specification: NetworkSpecification): [Sizes, boolean][] {
  const { depth, ends, residual, recompute = 0 } = specification;
  if (recompute === 0) return [];
  const each = residual ? 2 : 1;
  const first = ends.kind === 'sharded' ? 0 : 1;
  const hidden = layersOf(specification).slice(first, first + each * depth);
  const parts = Math.ceil(depth / recompute);
  return hidden
    .slice(0, Math.max(0, parts - 2) * recompute * each)
    .map((layer, i) => [layer, residual !== undefined && (i + 1) % (2 * recompute) === 0]);
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
  const { blocks: P } = specification;
  let sum = 0;
  for (const { kind, inputs, outputs, ghosts: K, biases } of layersOf(specification)) {
    const phantom = (outputs * inputs) / P + K * inputs + (P - 1) * K * outputs;
    sum += (kind === 'phantom' ? phantom : outputs * inputs) + biases;
  }
  return sum;
}

/** Bytes of the largest payload that a rank hands to one collective in a step of B columns. */
export function largestPayloadFormula(
  specification: NetworkSpecification,
  ranks: number,
  columns: number,
): number {
  const { blocks: P, compute = 'float32', ghostPrecision = compute } = specification;
  if (ranks === 1) return 0;
  const contributors = ghostPrecision === 'float32' ? 1 : P / ranks;
  const payloads = layersOf(specification).map((layer, i) => {
    const { kind, inputs, outputs, ghosts: K, normed = false, gathers, reduces = 0 } = layer;
    const rows = Math.max(gathers?.forward ?? 0, gathers?.backward ?? 0, reduces);
    const more = 4 * rows * columns;
    if (kind === 'phantom') {
      const each = normed ? K + 1 : K;
      return Math.max(more, contributors * P * each * rowBytes(ghostPrecision, columns));
    }
    // A layer that the data enter needs no gradient of them.
    if (kind === 'column') return Math.max(more, i === 0 ? 0 : 4 * inputs * columns);
    if (kind === 'row') return Math.max(more, 4 * outputs * columns);
    if (compute !== 'float32') {
      return Math.max(more, 2 * inputs * columns * (i > 0 ? P / ranks : 1));
    }
    return Math.max(more, 4 * (normed && i > 0 ? inputs + P : inputs) * columns);
  });
  return Math.max(...payloads);
}
