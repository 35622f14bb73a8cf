import type { Spread } from '../outline.js';
import { paddedBytes } from '../padded-bytes.js';
import { type LayerPart, PLAIN_PART } from '../part.js';

/** Rounds to bfloat16 what enters a network, or leaves a part that gives float32. @param of its rows,
 * those of all blocks together */
export function roundedPart(
  of: string,
  { rows, blocks }: { readonly rows: number; readonly blocks: number },
  spread: Spread,
): LayerPart {
  const name = `${of}.rounded`;
  const here = (blocksHere: number) => (spread === 'sharded' ? blocksHere * (rows / blocks) : rows);
  return {
    ...PLAIN_PART,
    name,
    forward: (list) => list.elements('encode bfloat16', here(list.layout.blocksHere)),
    backward: () => undefined,
    memory: ({ layout, columns }) => ({
      activationBytes: paddedBytes(here(layout.blocksHere) * columns, 'bfloat16'),
      bufferBytes: 0,
    }),
    operator: { type: 'rounded' },
  };
}
