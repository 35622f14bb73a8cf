import type { Spread } from '../outline.js';
import { paddedBytes, treeLevels } from '../padded-bytes.js';
import type { OperationList } from '../operation-list.js';
import { type LayerPart, PLAIN_PART } from '../part.js';

/** The normalization before the layer of this name, which takes `inputs` features. */
export function rmsNormPart(layer: string, inputs: number, spread: Spread): LayerPart {
  const name = `${layer}.norm`;
  const here = (count: number, { blocks, blocksHere }: { blocks: number; blocksHere: number }) =>
    spread === 'sharded' ? count * (blocksHere / blocks) : count;
  const sums = (list: OperationList) => {
    const { layout } = list;
    const blocks = spread === 'sharded' ? layout.blocksHere : 1;
    list.blockSum(blocks, 1, () => list.elements('column dots', here(inputs, layout) / blocks));
    if (spread === 'sharded') list.wait(list.start('all-reduce', list.bytes(1)));
  };
  return {
    ...PLAIN_PART,
    name,
    forward(list) {
      if (list.again === 'no') {
        sums(list);
        list.elements('inverse rms', 1);
      }
      list.elements('scale columns', here(inputs, list.layout));
    },
    backward(list, inputNeedsGradient) {
      if (!inputNeedsGradient) return;
      sums(list);
      list.elements('rms correction', 1);
      list.elements('scale columns', here(inputs, list.layout));
      list.elements('add scaled columns', here(inputs, list.layout));
    },
    memory({ layout, columns, inputNeedsGradient }) {
      const levels = spread === 'sharded' ? treeLevels(layout.blocksHere) : 0;
      const own = paddedBytes(here(inputs, layout) * columns);
      const line = paddedBytes(columns);
      // u, and dx; sums, r and what the gradient takes of it.
      return {
        activationBytes: inputNeedsGradient ? 2 * own : own,
        bufferBytes: ((inputNeedsGradient ? 4 : 2) + levels) * line,
        keptBytes: line,
      };
    },
    operator: { type: 'rms norm', features: inputs, spread },
  };
}
