import { rowBytes } from '../../tensor/precision.js';
import type { LayerMemory, LayerPlace, LayerSizes } from '../kind.js';
import { paddedBytes, treeLevels } from '../memory-size.js';

export function phantomMemory(
  { blocks: P, inputs, outputs, ghosts: K, ghostPrecision: precision }: LayerSizes,
  { layout: { blocksHere }, columns, inputNeedsGradient }: LayerPlace,
): LayerMemory {
  const matrix = (rows: number) => paddedBytes(rows * columns);
  const z = matrix(blocksHere * (outputs / P));
  const dx = inputNeedsGradient ? matrix(blocksHere * (inputs / P)) : 0;
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
  return { activationBytes: z + dx, bufferBytes };
}
