import { rowBytes } from '../../tensor/precision.js';
import type { LayerMemory, LayerPlace, LayerSizes } from '../kind.js';
import { paddedBytes, treeLevels } from '../memory-size.js';

export function phantomMemory(
  layer: LayerSizes,
  { layout: { blocksHere }, columns, inputNeedsGradient, gradientGiven = false }: LayerPlace,
): LayerMemory {
  const { blocks: P, inputs, outputs, ghosts: K, ghostPrecision: precision, normalized } = layer;
  const matrix = (rows: number) => paddedBytes(rows * columns);
  const z = matrix(blocksHere * (outputs / P));
  const dx = inputNeedsGradient && !gradientGiven ? matrix(blocksHere * (inputs / P)) : 0;
  // Everybody's ghosts, the contribution to them, and h.
  let bufferBytes = 2 * matrix(P * K) + matrix(blocksHere * K);
  if (precision === 'float32') {
    bufferBytes += treeLevels(blocksHere) * matrix(P * K);
  } else {
    // Encoded: everybody's ghosts, contributions sent and received; partial sums of these.
    const encoded = (rows: number) =>
      paddedBytes(Math.ceil((rows * rowBytes(precision, columns)) / 4));
    bufferBytes += encoded(P * K) + 2 * encoded(blocksHere * P * K);
    bufferBytes += treeLevels(P) * matrix(blocksHere * K);
  }
  if (!normalized) return { activationBytes: z + dx, bufferBytes };
  // Ghosts as they travel, a row more in h, and sums: squares, dots, r and what dx takes of it.
  bufferBytes += matrix(P * (K + 1)) + matrix(blocksHere * (K + 1)) - matrix(blocksHere * K);
  bufferBytes += matrix(P) + (inputNeedsGradient ? 3 : 2) * matrix(1);
  bufferBytes += treeLevels(blocksHere) * matrix(1);
  // ẑ, z and q
  return { activationBytes: 3 * z + dx, bufferBytes };
}
