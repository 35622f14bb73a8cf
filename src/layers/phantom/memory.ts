import type { LayerMemory, LayerPlace, LayerSizes } from '../outline.js';
import { encodedMemory, paddedBytes, treeLevels } from '../padded-bytes.js';

export function phantomMemory(
  layer: LayerSizes,
  { layout, columns, inputNeedsGradient, gradientGiven = false }: LayerPlace,
): LayerMemory {
  const {
    blocks: P,
    inputs,
    outputs,
    ghosts: K,
    ghostPrecision: precision,
    ghostActivation,
    normalized,
    compute,
  } = layer;
  const { blocksHere } = layout;
  const matrix = (rows: number) => paddedBytes(rows * columns);
  const z = matrix(blocksHere * (outputs / P));
  const dx = inputNeedsGradient && !gradientGiven ? matrix(blocksHere * (inputs / P)) : 0;
  const ghosts = paddedBytes(P * K * columns, compute);
  // Everybody's ghosts, the contribution to them, and h.
  let bufferBytes = ghosts + matrix(P * K) + matrix(blocksHere * K);
  if (precision === 'float32') {
    bufferBytes += treeLevels(blocksHere) * matrix(P * K);
  } else {
    const { encoded, returned } = encodedMemory(precision, columns, layout);
    bufferBytes += returned(K);
    // Everybody's ghosts as they travel, and decoded; or the rank's own before they are rounded.
    if (precision !== compute) bufferBytes += encoded(P * K);
    if (compute !== 'float32') {
      bufferBytes += precision === compute ? matrix(blocksHere * K) : matrix(P * K);
      // h for products.
      bufferBytes += paddedBytes(blocksHere * K * columns, compute);
    }
  }
  if (ghostActivation !== null) {
    // The rank's own before φ; and after it, where what is decoded takes their place.
    const isDecoded = precision !== 'float32' && precision !== compute;
    bufferBytes += (isDecoded ? 2 : 1) * matrix(blocksHere * K);
  }
  // Everybody's ghosts; and what φ′ takes.
  const ofActivation = precision === 'float32' ? 1 : 2;
  const own = ghostActivation === null ? 0 : ofActivation * matrix(blocksHere * K);
  const keptBytes = ghosts + own;
  if (!normalized) return { activationBytes: z + dx, bufferBytes, keptBytes };
  // Ghosts as they travel, a row more in h, and sums: squares, dots, r and what dx takes of it.
  bufferBytes += matrix(P * (K + 1)) + matrix(blocksHere * (K + 1)) - matrix(blocksHere * K);
  bufferBytes += matrix(P) + (inputNeedsGradient ? 3 : 2) * matrix(1);
  bufferBytes += treeLevels(blocksHere) * matrix(1);
  // ẑ, z and q
  return { activationBytes: 3 * z + dx, bufferBytes, keptBytes: keptBytes + matrix(1) };
}
