import type { LayerOutline, LayerPlace, LayerSizes } from './outline.js';
import { OperationList } from './operation-list.js';
import type { Operation, Start } from './operations.js';

/** Work and traffic of one rank: FLOPs of matrix products, payload bytes of collectives. */
export interface PassCost {
  readonly flops: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly collectives: number;
}

/** Work and traffic of a layer on one rank. */
export interface LayerCost {
  readonly forward: PassCost;
  readonly backward: PassCost;
}

/**
 * What operations come to. A product of an a×b by a b×c matrix is 2abc FLOPs. Between R ranks, an
 * all-gather, an all-to-all and a reduce-scatter move (R−1)/R of their larger buffer each way. An
 * all-reduce is a reduce-scatter and an all-gather of shards of ⌈elements/R⌉, the least that any
 * algorithm moves where the shards are equal.
 */
export function costOf(operations: readonly Operation[], ranks: number): PassCost {
  let [flops, bytes, collectives] = [0, 0, 0];
  for (const operation of operations) {
    if (operation.kind === 'product') {
      flops += 2 * operation.rows * operation.columns * operation.inner;
    } else if (operation.kind === 'start' && operation.of === 'network') {
      bytes += movedBytes(operation, ranks);
      collectives++;
    }
  }
  return { flops, sentBytes: bytes, receivedBytes: bytes, collectives };
}

function movedBytes({ collective, wholeBytes }: Start, ranks: number): number {
  return collective === 'all-reduce'
    ? 2 * (ranks - 1) * Math.ceil(wholeBytes / 4 / ranks) * 4
    : (ranks - 1) * (wholeBytes / ranks);
}

export function addCosts(a: PassCost, b: PassCost): PassCost {
  return {
    flops: a.flops + b.flops,
    sentBytes: a.sentBytes + b.sentBytes,
    receivedBytes: a.receivedBytes + b.receivedBytes,
    collectives: a.collectives + b.collectives,
  };
}

/** What one layer calls in a step of one rank. */
export function layerOperations(
  kind: LayerOutline,
  layer: LayerSizes,
  { layout, columns, inputNeedsGradient }: LayerPlace,
): { forward: Operation[]; backward: Operation[] } {
  const forward = new OperationList(layout, columns);
  kind.forward(layer, forward);
  const backward = new OperationList(layout, columns);
  backward.pass = 'backward';
  kind.backward(layer, backward, inputNeedsGradient);
  return { forward: forward.operations, backward: backward.operations };
}

/** FLOPs, bytes and collectives of a layer's passes on one rank. */
export function layerCost(kind: LayerOutline, layer: LayerSizes, place: LayerPlace): LayerCost {
  const { forward, backward } = layerOperations(kind, layer, place);
  const { ranks } = place.layout;
  return { forward: costOf(forward, ranks), backward: costOf(backward, ranks) };
}
