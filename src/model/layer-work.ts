import { costOf, type LayerCost } from '../layers/cost.js';
import type { LayerMemory, LayerPlace } from '../layers/outline.js';
import { OperationList } from '../layers/operation-list.js';
import type { LayerPart } from '../layers/part.js';
import type { NetworkLayer } from './network-layers.js';

/** Lists what a layer and its parts call in the forward pass of one rank, in order. */
export function listForward(layer: NetworkLayer, list: OperationList): void {
  for (const part of [...layer.enter, ...layer.before]) part.forward(list);
  layer.kind.forward(layer, list);
  for (const part of layer.after) part.forward(list);
}

/** Lists what they call in the backward pass. */
export function listBackward(
  layer: NetworkLayer,
  list: OperationList,
  inputNeedsGradient: boolean,
): void {
  for (const part of layer.after.toReversed()) part.backward(list, true);
  layer.kind.backward(layer, list, inputNeedsGradient);
  for (const part of layer.before.toReversed()) part.backward(list, inputNeedsGradient);
  // The gradient of what the block adds is there already.
  const isGiven = layer.before.length > 0 || layer.kind.inputGradient === 'given';
  if (layer.opensBlock && inputNeedsGradient && isGiven) {
    const { blocks, blocksHere } = list.layout;
    const isSharded = layer.kind.input === 'sharded';
    list.elements('axpy', isSharded ? blocksHere * (layer.inputs / blocks) : layer.inputs);
  }
  for (const part of layer.enter.toReversed()) part.backward(list, inputNeedsGradient);
}

/** Work and traffic of a layer and its parts on one rank. @param listMore what the backward pass does
 * besides */
export function workOf(
  layer: NetworkLayer,
  place: LayerPlace,
  listMore: (list: OperationList) => void = () => {},
): LayerCost {
  const { layout, columns, inputNeedsGradient } = place;
  const forward = new OperationList(layout, columns);
  listForward(layer, forward);
  const backward = new OperationList(layout, columns);
  backward.pass = 'backward';
  listMore(backward);
  listBackward(layer, backward, inputNeedsGradient);
  return {
    forward: costOf(forward.operations, layout.ranks),
    backward: costOf(backward.operations, layout.ranks),
  };
}

/** What they allocate. */
export function memoryOf(layer: NetworkLayer, place: LayerPlace): LayerMemory {
  const { enter, before, after } = layer;
  return insideMemory(layer, place, { before: [...enter, ...before], after });
}

/** What a layer and some of its parts allocate. */
export function insideMemory(
  layer: NetworkLayer,
  place: LayerPlace,
  {
    before,
    after,
  }: { readonly before: readonly LayerPart[]; readonly after: readonly LayerPart[] },
): Required<LayerMemory> {
  const gradientGiven = layer.opensBlock && layer.before.length === 0;
  const all = [
    layer.kind.memory(layer, { ...place, gradientGiven }),
    ...before.map((part) => part.memory(place)),
    ...after.map((part) => part.memory({ ...place, inputNeedsGradient: true })),
  ];
  return {
    activationBytes: all.reduce((sum, { activationBytes }) => sum + activationBytes, 0),
    bufferBytes: all.reduce((sum, { bufferBytes }) => sum + bufferBytes, 0),
    keptBytes: all.reduce((sum, { keptBytes = 0 }) => sum + keptBytes, 0),
  };
}
