import type { LayerSizes } from '../outline.js';
import type { OperationList } from '../operation-list.js';

export function columnForward({ inputs, outputs, blocks }: LayerSizes, list: OperationList): void {
  if (list.again === 'saved') return;
  list.eachBlock(() => list.product('local', 'NN', outputs / blocks, inputs));
}

export function columnBackward(
  { inputs, outputs, blocks }: LayerSizes,
  list: OperationList,
  inputNeedsGradient: boolean,
): void {
  const n = outputs / blocks;
  const weights = () => list.eachBlock(() => list.product('local', 'NT', n, inputs));
  if (!inputNeedsGradient) {
    weights();
    return;
  }
  list.blockSum(list.layout.blocksHere, inputs, () => list.product('local', 'TN', inputs, n));
  const reduction = list.start('all-reduce', list.bytes(inputs));
  weights();
  list.wait(reduction);
}
