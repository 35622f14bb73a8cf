import type { BlockLayout } from '../block-layout.js';
import type { LayerSizes, Spread } from '../outline.js';
import { paddedBytes } from '../padded-bytes.js';
import { type LayerPart, PLAIN_PART } from '../part.js';

/** Dropout of what a layer gives after its activation. */
export function dropoutPart(
  { name, outputs, blocks }: Pick<LayerSizes, 'name' | 'outputs' | 'blocks'>,
  output: Spread,
  { rate, layer }: { readonly rate: number; readonly layer: number },
): LayerPart {
  const isSharded = output === 'sharded';
  const each = outputs / blocks;
  const rows = ({ blocksHere }: BlockLayout) => (isSharded ? blocksHere * each : outputs);
  return {
    ...PLAIN_PART,
    name: `${name}.dropout`,
    forward: (list) => list.elements('dropout', rows(list.layout)),
    backward: (list) => list.elements('dropout', rows(list.layout)),
    memory: ({ layout, columns }) => ({
      activationBytes: paddedBytes(rows(layout) * columns),
      bufferBytes: 0,
    }),
    operator: { type: 'dropout', rate, layer, blockRows: isSharded ? each : 0 },
  };
}
