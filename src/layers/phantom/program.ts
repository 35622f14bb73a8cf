import { rowBytes } from '../../tensor/precision.js';
import { rowsBeside } from '../block-layout.js';
import type { LayerSizes } from '../outline.js';
import type { OperationList } from '../operation-list.js';
import type { Start } from '../operations.js';

export function phantomForward(layer: LayerSizes, list: OperationList): void {
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
  const [m, n] = [inputs / P, outputs / P];
  const rows = normalized ? P * (K + 1) : P * K;
  const encoded = precision !== 'float32';
  const isFirst = list.again === 'no';
  if (list.again === 'saved' && !normalized) return;
  let gather: Start | null = null;
  if (isFirst) {
    list.eachBlock(() => list.product('compression', 'NN', K, m));
    if (ghostActivation !== null) {
      list.eachBlock(() => list.elements(`activation ${ghostActivation}`, K));
    }
    if (normalized) list.eachBlock(() => list.elements('column dots', m));
    if (encoded) list.elements(`encode ${precision}`, list.layout.blocksHere * K);
    gather = list.start('all-gather', rows * rowBytes(precision, list.columns));
  }
  list.eachBlock(() => list.product('local', 'NN', n, m));
  if (gather !== null) {
    list.wait(gather);
    if (encoded && precision !== compute) {
      list.elements(`decode ${precision}`, P * K);
      if (compute !== 'float32') list.elements(`encode ${compute}`, P * K);
    }
    if (normalized) copyRows(layer, list);
  }
  list.eachBlock((j) => {
    for (const ghosts of rowsBeside(list.layout, j, K)) {
      list.product('decompression', 'NN', n, ghosts);
    }
  });
  if (!normalized) return;
  if (isFirst) list.elements('inverse rms', P);
  list.elements('scale columns', list.layout.blocksHere * n);
}

/** Ghosts of every block, and the row that travels with them, to where they are wanted. */
function copyRows({ blocks, ghosts }: LayerSizes, list: OperationList): void {
  for (let i = 0; i < blocks; i++) {
    list.elements('copy', ghosts);
    list.elements('copy', 1);
  }
}

export function phantomBackward(
  layer: LayerSizes,
  list: OperationList,
  inputNeedsGradient: boolean,
): void {
  const { blocks: P, inputs, outputs, ghosts: K, normalized, compute, ghostActivation } = layer;
  const [m, n] = [inputs / P, outputs / P];
  if (normalized) {
    list.blockSum(list.layout.blocksHere, 1, () => list.elements('column dots', n));
    list.elements('scale columns', list.layout.blocksHere * n);
  }
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
  if (ghostActivation !== null) {
    list.eachBlock(() => list.elements(`activation gradient ${ghostActivation}`, K));
  }
  if (compute !== 'float32') list.elements(`encode ${compute}`, list.layout.blocksHere * K);
  list.eachBlock(() => {
    list.product('compression', 'NT', K, m);
    if (inputNeedsGradient) list.product('compression', 'TN', m, K);
  });
  if (!normalized || !inputNeedsGradient) return;
  list.elements('rms correction', 1);
  list.eachBlock(() => list.elements('add scaled columns', m));
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
    if (!layer.normalized) return list.start('reduce-scatter', list.bytes(rows));
    copyRows(layer, list);
    return list.start('reduce-scatter', list.bytes(P * (K + 1)));
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
