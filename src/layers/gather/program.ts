import { rowsBeside } from '../block-layout.js';
import type { LayerSizes } from '../outline.js';
import type { OperationList } from '../operation-list.js';

export function gatherForward(layer: LayerSizes, list: OperationList): void {
  const { inputs, outputs, blocks, normalized, compute } = layer;
  const [m, n] = [inputs / blocks, outputs / blocks];
  const gather = list.start('all-gather', list.bytes(inputs, compute));
  if (list.again === 'saved' && !normalized) {
    list.wait(gather);
    return;
  }
  list.eachBlock(() => list.product('local', 'NN', n, m));
  list.wait(gather);
  list.eachBlock((j) => {
    for (const width of rowsBeside(list.layout, j, m)) list.product('local', 'NN', n, width);
  });
  if (!normalized) return;
  for (let i = 0; i < blocks; i++) list.elements('column dots', m);
  list.elements('inverse rms', blocks);
  list.elements('scale columns', list.layout.blocksHere * n);
}

export function gatherBackward(
  { inputs, outputs, blocks, normalized, compute }: LayerSizes,
  list: OperationList,
  inputNeedsGradient: boolean,
): void {
  const [m, n] = [inputs / blocks, outputs / blocks];
  const { blocksHere } = list.layout;
  if (normalized) list.elements('scale columns', blocksHere * n);
  const weights = () => list.eachBlock(() => list.product('local', 'NT', n, inputs));
  if (!inputNeedsGradient) {
    weights();
    return;
  }
  if (compute !== 'float32') {
    list.eachBlock(() => {
      list.product('local', 'TN', inputs, n);
      for (let r = 0; r < list.layout.ranks; r++) {
        list.elements(`encode ${compute}`, inputs / list.layout.ranks);
      }
    });
    const exchange = list.start('all-to-all', blocksHere * list.bytes(inputs, compute));
    weights();
    list.wait(exchange);
    list.blockSum(blocks, blocksHere * m, () => list.elements(`decode ${compute}`, blocksHere * m));
    return;
  }
  const sent = normalized ? inputs + blocks : inputs;
  list.blockSum(blocksHere, sent, () => {
    if (!normalized) list.product('local', 'TN', inputs, n);
    else {
      list.elements('column dots', n);
      for (let i = 0; i < blocks; i++) {
        list.product('local', 'TN', m, n);
        if (i > 0) list.elements('copy', 1);
      }
    }
  });
  const reduction = list.start('reduce-scatter', list.bytes(sent));
  weights();
  list.wait(reduction);
  if (!normalized) return;
  list.elements('rms correction', 1);
  list.eachBlock(() => {
    list.elements('copy', m);
    list.elements('add scaled columns', m);
  });
}
