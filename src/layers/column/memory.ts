import type { LayerMemory, LayerPlace, LayerSizes } from '../outline.js';
import { paddedBytes, treeLevels } from '../padded-bytes.js';

export function columnMemory(
  { inputs, outputs, blocks }: LayerSizes,
  { layout: { blocksHere }, columns, inputNeedsGradient }: LayerPlace,
): LayerMemory {
  const dx = paddedBytes(inputs * columns);
  return {
    activationBytes: paddedBytes(blocksHere * (outputs / blocks) * columns),
    // dx is summed in place; the others are the spare buffers of the sum over blocks.
    bufferBytes: inputNeedsGradient ? (1 + treeLevels(blocksHere)) * dx : 0,
  };
}
