import { ghostsOf, hiddenKind } from '../model/specification.js';
import { rowBytes } from '../tensor/precision.js';
import { optimizerStatesPerParameter } from './cost.js';
import { parameterSizes, type StepShape } from './step-program.js';

/** Bytes of tensors that one rank holds in training, as an engine's arena counts them. */
export interface RankMemory {
  readonly parameterBytes: number;
  readonly gradientBytes: number;
  readonly optimizerBytes: number;
  /** What the forward pass saves and the gradients of activations. */
  readonly activationBytes: number;
  /** What collectives read and write, and what sums over a rank's blocks need. */
  readonly bufferBytes: number;
  readonly totalBytes: number;
}

/** Arenas start each tensor at a multiple of this. */
const ALIGNMENT = 64;

/**
 * The memory of a rank, tensor by tensor, padding included: equal to what the arena of a real rank
 * holds after its first step.
 */
export function rankMemory(shape: StepShape, rank: number): RankMemory {
  const { specification, ranks, columns: B, loss, optimizer, inputGradient } = shape;
  const { width: N, depth, blocks: P, ghostPrecision = 'float32', ends } = specification;
  const here = P / ranks;
  const rows = here * (N / P);
  const levels = here === 1 ? 0 : Math.ceil(Math.log2(here));
  const padded = (elements: number) => Math.ceil((4 * elements) / ALIGNMENT) * ALIGNMENT;
  const matrix = (height: number) => padded(height * B);

  let activationBytes = 0;
  let bufferBytes = 0;
  const activation = (height: number) => {
    activationBytes += 2 * matrix(height); // output, dz
  };
  const row = (outputs: number, needsGradient: boolean) => {
    bufferBytes += (1 + levels) * matrix(outputs); // z, spares
    if (needsGradient) activationBytes += matrix(rows);
  };
  const column = (features: number, needsGradient: boolean) => {
    activationBytes += matrix(rows);
    if (needsGradient) bufferBytes += (1 + levels) * matrix(features); // dx, spares
  };
  if (ends.kind === 'replicated') {
    activationBytes += matrix(ends.inputs) + (loss === 'mse' ? matrix(ends.outputs) : padded(B));
    column(ends.inputs, inputGradient);
    activation(rows);
    row(ends.outputs, true);
    activationBytes += matrix(ends.outputs); // dz of the loss
  } else {
    activationBytes += 3 * matrix(rows); // x, target, dz of the loss
  }
  activationBytes += 2 * padded(1); // the loss and its gradient
  for (let layer = 0; layer < depth; layer++) {
    const needsGradient = layer > 0 || ends.kind === 'replicated' || inputGradient;
    const kind = hiddenKind(specification, layer);
    if (kind === 'phantom') {
      const K = ghostsOf(specification, layer);
      activationBytes += (needsGradient ? 2 : 1) * matrix(rows); // z, dx
      // ghosts, contribution; h
      bufferBytes += 2 * matrix(P * K) + matrix(here * K);
      if (ghostPrecision === 'float32') bufferBytes += levels * matrix(P * K);
      else {
        // Encoded: everybody's ghosts, contributions sent and received; partial sums of these.
        const encoded = (height: number) =>
          padded(Math.ceil((height * rowBytes(ghostPrecision, B)) / 4));
        bufferBytes += encoded(P * K) + 2 * encoded(here * P * K);
        bufferBytes += Math.ceil(Math.log2(P)) * matrix(here * K);
      }
    } else if (kind === 'gather') {
      activationBytes += (needsGradient ? 2 : 1) * matrix(rows); // z, dx
      bufferBytes += matrix(N) + (needsGradient ? (1 + levels) * matrix(N) : 0);
    } else if (kind === 'row') row(N, needsGradient);
    else column(N, needsGradient);
    activation(kind === 'row' ? N : rows);
  }
  const sizes = parameterSizes(specification, here, rank === 0);
  const parameterBytes = sizes.reduce((sum, elements) => sum + padded(elements), 0);
  const optimizerBytes = parameterBytes * optimizerStatesPerParameter(optimizer);
  return {
    parameterBytes,
    gradientBytes: parameterBytes,
    optimizerBytes,
    activationBytes,
    bufferBytes,
    totalBytes: 2 * parameterBytes + optimizerBytes + activationBytes + bufferBytes,
  };
}
