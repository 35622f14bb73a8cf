import { blockLayout } from '../layers/block-layout.js';
import { isOfClasses } from '../layers/loss-names.js';
import { paddedBytes } from '../layers/padded-bytes.js';
import { edgeRows, inputEdge, outputEdge } from '../model/edges.js';
import { memoryOf } from '../model/layer-work.js';
import { matrixSizes, parameterSizes } from '../model/layer-parameters.js';
import { networkLayers } from '../model/network-layers.js';
import { outsideMemory, remadeMemory, remadeParts } from '../model/remade-parts.js';
import { optimizerStatesPerParameter } from '../optimizers/optimizer-list.js';
import type { StepShape } from './step-program.js';

/** Bytes of tensors that one rank holds in training, as an engine's arena counts them. */
export interface RankMemory {
  /** With the copies that products take, where these are bfloat16. */
  readonly parameterBytes: number;
  readonly gradientBytes: number;
  readonly optimizerBytes: number;
  /** A moving average of the weights. */
  readonly averageBytes: number;
  /** What the forward pass saves and the gradients of activations. */
  readonly activationBytes: number;
  /** What collectives read and write, and what sums over a rank's blocks need. */
  readonly bufferBytes: number;
  readonly totalBytes: number;
}

/**
 * The memory of a rank, tensor by tensor, padding included: equal to what the arena of a real rank
 * holds after its first step.
 */
export function rankMemory(shape: StepShape, rank: number): RankMemory {
  const { specification, ranks, columns, loss, optimizer, average, inputGradient } = shape;
  const { blocks } = specification;
  const layers = networkLayers(specification);
  const layout = blockLayout(blocks, ranks, rank);
  const matrix = (rows: number) => paddedBytes(rows * columns);

  const inputs = edgeRows(inputEdge(specification), layout).held;
  const outputs = edgeRows(outputEdge(specification), layout).held;
  // The input; the target and the gradient of the loss; the loss, and its own gradient.
  let activationBytes = matrix(inputs) + matrix(outputs) + 2 * paddedBytes(1);
  const { quantiles = 1, weighted = false } = shape;
  activationBytes += isOfClasses(loss) ? paddedBytes(columns) : matrix(outputs / quantiles);
  if (weighted) activationBytes += paddedBytes(columns);
  let bufferBytes = 0;
  const parts = remadeParts(layers, specification);
  const remade = remadeMemory(layers, parts, { layout, columns });
  const ends = new Map(
    parts.flatMap((part) => part.layers.map((i) => [i, i === part.layers.at(-1)])),
  );
  for (const [i, layer] of layers.entries()) {
    const place = { layout, columns, inputNeedsGradient: i > 0 || inputGradient };
    const closes = ends.get(i);
    const memory =
      closes === undefined ? memoryOf(layer, place) : outsideMemory(layer, place, closes);
    activationBytes += memory.activationBytes;
    bufferBytes += memory.bufferBytes;
  }
  for (const kept of remade.kept) {
    activationBytes += kept.activationBytes;
    bufferBytes += kept.bufferBytes;
  }
  for (const bytes of remade.sharedBytes) activationBytes += bytes;
  const sizes = parameterSizes(layers, layout);
  const gradientBytes = sizes.reduce((sum, elements) => sum + paddedBytes(elements), 0);
  const { compute = 'float32' } = specification;
  const copies = compute === 'float32' ? [] : matrixSizes(layers, layout);
  const copyBytes = copies.reduce((sum, elements) => sum + paddedBytes(elements, compute), 0);
  const parameterBytes = gradientBytes + copyBytes;
  const optimizerBytes = gradientBytes * optimizerStatesPerParameter(optimizer);
  const averageBytes = average ? gradientBytes : 0;
  const trainedBytes = parameterBytes + gradientBytes + optimizerBytes + averageBytes;
  return {
    parameterBytes,
    gradientBytes,
    optimizerBytes,
    averageBytes,
    activationBytes,
    bufferBytes,
    totalBytes: trainedBytes + activationBytes + bufferBytes,
  };
}
