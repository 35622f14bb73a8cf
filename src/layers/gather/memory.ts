import type { LayerMemory, LayerPlace, LayerSizes } from '../outline.js';
import { encodedMemory, paddedBytes, treeLevels } from '../padded-bytes.js';

export function gatherMemory(
  { inputs, outputs, blocks, normalized, compute }: LayerSizes,
  { layout, columns, inputNeedsGradient }: LayerPlace,
): LayerMemory {
  const { blocksHere } = layout;
  const matrix = (rows: number) => paddedBytes(rows * columns);
  const z = matrix(blocksHere * (outputs / blocks));
  // Everybody's activations.
  const gathered = paddedBytes(inputs * columns, compute);
  // Normalized: ẑ, z and q; sums of squares and r.
  const activations = normalized ? 3 * z : z;
  const statistics = normalized ? matrix(blocks) + matrix(1) : 0;
  if (!inputNeedsGradient) {
    return { activationBytes: activations, bufferBytes: gathered + statistics };
  }
  const dx = matrix(blocksHere * (inputs / blocks));
  if (compute !== 'float32') {
    const returned = encodedMemory(compute, columns, layout).returned(inputs / blocks);
    return { activationBytes: z + dx, bufferBytes: gathered + matrix(inputs) + returned };
  }
  // What the rank's blocks contribute to dx, and the spare buffers of that sum; normalized, with a
  // row more for each block, and what is scattered of it with what dx takes of that.
  const sent = normalized ? inputs + blocks : inputs;
  const received = normalized ? matrix(blocksHere * (inputs / blocks + 1)) + matrix(1) : 0;
  return {
    activationBytes: activations + dx,
    bufferBytes: gathered + statistics + received + (1 + treeLevels(blocksHere)) * matrix(sent),
  };
}
