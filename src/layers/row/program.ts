import type { LayerSizes } from '../outline.js';
import type { OperationList } from '../operation-list.js';
import { biasRows } from './parameters.js';

export function rowForward(layer: LayerSizes, list: OperationList): void {
  if (list.again === 'saved') return;
  const { inputs, outputs, blocks } = layer;
  const { blocksHere, firstBlock } = list.layout;
  list.blockSum(blocksHere, outputs, (j) => {
    list.product('local', 'NN', outputs, inputs / blocks);
    const rows = biasRows(layer, firstBlock + j);
    if (rows) list.elements('activation identity', rows.count);
  });
  list.wait(list.start('all-reduce', list.bytes(outputs)));
}

export function rowBackward(
  layer: LayerSizes,
  list: OperationList,
  inputNeedsGradient: boolean,
): void {
  const { inputs, outputs, blocks, compute } = layer;
  const m = inputs / blocks;
  if (compute !== 'float32') list.elements(`encode ${compute}`, outputs);
  list.eachBlock((j) => {
    list.product('local', 'NT', outputs, m);
    if (inputNeedsGradient) list.product('local', 'TN', m, outputs);
    const rows = biasRows(layer, list.layout.firstBlock + j);
    if (rows) list.elements('activation gradient identity', rows.count);
  });
}
