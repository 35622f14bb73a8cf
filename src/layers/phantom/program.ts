import { rowBytes } from '../../tensor/precision.js';
import { rowsBeside } from '../block-layout.js';
import type { LayerSizes } from '../kind.js';
import type { OperationList } from '../operation-list.js';
import type { Start } from '../operations.js';

export function phantomForward(layer: LayerSizes, list: OperationList): void {
  const { blocks: P, inputs, outputs, ghosts: K, ghostPrecision: precision } = layer;
  const [m, n] = [inputs / P, outputs / P];
  const encoded = precision !== 'float32';
  list.eachBlock(() => list.product('compression', 'NN', K, m));
  if (encoded) list.elements(`encode ${precision}`, list.layout.blocksHere * K);
  const gather = list.start('all-gather', P * K * rowBytes(precision, list.columns));
  list.eachBlock(() => list.product('local', 'NN', n, m));
  list.wait(gather);
  if (encoded) list.elements(`decode ${precision}`, P * K);
  list.eachBlock((j) => {
    for (const ghosts of rowsBeside(list.layout, j, K)) {
      list.product('decompression', 'NN', n, ghosts);
    }
  });
}

export function phantomBackward(
  layer: LayerSizes,
  list: OperationList,
  inputNeedsGradient: boolean,
): void {
  const { blocks: P, inputs, outputs, ghosts: K } = layer;
  const [m, n] = [inputs / P, outputs / P];
  const reduction = startReturn(layer, list);
  list.eachBlock((j) => {
    for (const ghosts of rowsBeside(list.layout, j, K)) {
      list.product('decompression', 'NT', n, ghosts);
    }
  });
  list.eachBlock(() => {
    list.product('local', 'NT', n, m);
    if (inputNeedsGradient) list.product('local', 'TN', m, n);
  });
  list.wait(reduction);
  decodeReturn(layer, list);
  list.eachBlock(() => {
    list.product('compression', 'NT', K, m);
    if (inputNeedsGradient) list.product('compression', 'TN', m, K);
  });
}

/** What the rank's blocks contribute to the ghosts of all blocks is made and sent. */
function startReturn(layer: LayerSizes, list: OperationList): Start {
  const { blocks: P, outputs, ghosts: K, ghostPrecision: precision } = layer;
  const { blocksHere, ranks } = list.layout;
  const rows = P * K;
  const contribute = (j: number) => {
    list.elements('fill', K);
    for (const ghosts of rowsBeside(list.layout, j, K)) {
      list.product('decompression', 'TN', ghosts, outputs / P);
    }
  };
  if (precision === 'float32') {
    list.blockSum(blocksHere, rows, contribute);
    return list.start('reduce-scatter', list.bytes(rows));
  }
  list.eachBlock((j) => {
    contribute(j);
    for (let r = 0; r < ranks; r++) list.elements(`encode ${precision}`, rows / ranks);
  });
  return list.start('all-to-all', blocksHere * rows * rowBytes(precision, list.columns));
}

function decodeReturn(layer: LayerSizes, list: OperationList): void {
  const { blocks, ghosts: K, ghostPrecision: precision } = layer;
  if (precision === 'float32') return;
  const rows = list.layout.blocksHere * K;
  list.blockSum(blocks, rows, () => list.elements(`decode ${precision}`, rows));
}
