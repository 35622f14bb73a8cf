import { rowsBeside } from '../block-layout.js';
import type { LayerSizes } from '../kind.js';
import type { OperationList } from '../operation-list.js';

export function gatherForward({ inputs, outputs, blocks }: LayerSizes, list: OperationList): void {
  const [m, n] = [inputs / blocks, outputs / blocks];
  const gather = list.start('all-gather', list.bytes(inputs));
  list.eachBlock(() => list.product('local', 'NN', n, m));
  list.wait(gather);
  list.eachBlock((j) => {
    for (const width of rowsBeside(list.layout, j, m)) list.product('local', 'NN', n, width);
  });
}

export function gatherBackward(
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
  const reduction = list.start('reduce-scatter', list.bytes(inputs));
  weights();
  list.wait(reduction);
}
