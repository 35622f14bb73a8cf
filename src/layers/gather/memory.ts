import type { LayerMemory, LayerPlace, LayerSizes } from '../kind.js';
import { paddedBytes, treeLevels } from '../memory-size.js';

export function gatherMemory(
  { inputs, outputs, blocks }: LayerSizes,
  { layout: { blocksHere }, columns, inputNeedsGradient }: LayerPlace,
): LayerMemory {
  const matrix = (rows: number) => paddedBytes(rows * columns);
  const z = matrix(blocksHere * (outputs / blocks));
  // Everybody's activations.
  const gathered = matrix(inputs);
  if (!inputNeedsGradient) return { activationBytes: z, bufferBytes: gathered };
  return {
    activationBytes: z + matrix(blocksHere * (inputs / blocks)),
    // What the rank's blocks contribute to dx, and the spare buffers of that sum.
    bufferBytes: gathered + (1 + treeLevels(blocksHere)) * matrix(inputs),
  };
}
