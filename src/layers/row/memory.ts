import type { LayerMemory, LayerPlace, LayerSizes } from '../outline.js';
import { paddedBytes, treeLevels } from '../padded-bytes.js';

export function rowMemory(
  { inputs, outputs, blocks, compute }: LayerSizes,
  { layout: { blocksHere }, columns, inputNeedsGradient, gradientGiven = false }: LayerPlace,
): LayerMemory {
  const dx = paddedBytes(blocksHere * (inputs / blocks) * columns);
  return {
    activationBytes: inputNeedsGradient && !gradientGiven ? dx : 0,
    // z is summed in place; the others are the spare buffers of the sum over blocks.
    bufferBytes:
      (1 + treeLevels(blocksHere)) * paddedBytes(outputs * columns) +
      (compute === 'float32' ? 0 : paddedBytes(outputs * columns, compute)),
  };
}
