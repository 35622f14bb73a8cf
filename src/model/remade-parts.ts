import type { BlockLayout } from '../layers/block-layout.js';
import { paddedBytes } from '../layers/padded-bytes.js';
import type { OperationList } from '../layers/operation-list.js';
import type { LayerMemory, LayerPlace } from '../layers/outline.js';
import type { LayerPart } from '../layers/part.js';
import type { Dtype } from '../tensor/tensor.js';
import { insideMemory, listBackward } from './layer-work.js';
import type { NetworkLayer } from './network-layers.js';
import type { NetworkSpecification } from './specification.js';

/** Layers whose activations are made again in the backward pass, together: by their places in the network. */
export interface RemadeLayers {
  /** Place of the part among all. */
  readonly part: number;
  readonly layers: readonly number[];
  /** Whether another part takes its memory before its own backward pass. Of the last two none does. */
  readonly isMadeAgain: boolean;
}

/**
 * The parts of a network that are made again: every `recompute` hidden layers or residual blocks, one after
 * another. What leaves a part is kept.
 */
export function remadeParts(
  layers: readonly NetworkLayer[],
  { recompute = 0 }: Pick<NetworkSpecification, 'recompute'>,
): RemadeLayers[] {
  if (recompute === 0) return [];
  const units: number[][] = [];
  for (const [i, { role, opensBlock, closesBlock }] of layers.entries()) {
    if (role !== 'hidden') continue;
    if (closesBlock && !opensBlock) units.at(-1)?.push(i);
    else units.push([i]);
  }
  const count = Math.ceil(units.length / recompute);
  return Array.from({ length: count }, (_, part) => ({
    part,
    layers: units.slice(part * recompute, (part + 1) * recompute).flat(),
    isMadeAgain: part < count - 2,
  }));
}

/** What of a layer and its parts belongs to a part of the network that is made again. */
export interface RemadeLayer {
  readonly before: readonly LayerPart[];
  readonly after: readonly LayerPart[];
  /** Of `after`, how many are run again: what the others give is kept or read by nobody. */
  readonly afterAgain: number;
  /** Whether only what the layer saves is wanted again, as its result is not read. */
  readonly savedOnly: boolean;
}

/** @param closes whether the part ends with this layer */
export function remadeLayer(layer: NetworkLayer, closes: boolean): RemadeLayer {
  const { opensBlock, closesBlock } = layer;
  const after = closesBlock ? layer.after.slice(0, 1) : layer.after;
  // A sum's and dropout's gradients read nothing; an activation's what entered it.
  const afterAgain = closes ? (closesBlock ? 0 : 1) : after.length;
  const before = opensBlock ? layer.before : [];
  return { before, after, afterAgain, savedOnly: closes && closesBlock };
}

/** Lists what is run again of a layer. */
export function listAgain(layer: NetworkLayer, list: OperationList, closes: boolean): void {
  const { before, after, afterAgain, savedOnly } = remadeLayer(layer, closes);
  list.again = 'all';
  for (const part of before) part.forward(list);
  list.again = savedOnly ? 'saved' : 'all';
  layer.kind.forward(layer, list);
  list.again = 'all';
  for (const part of after.slice(0, afterAgain)) part.forward(list);
  list.again = 'no';
}

/** Lists the backward pass of a network, with what is made again in it. */
export function listBackwardPass(
  layers: readonly NetworkLayer[],
  list: OperationList,
  {
    recompute = 0,
    inputGradient,
  }: { readonly recompute: number | undefined; readonly inputGradient: boolean },
): void {
  const last = new Map(
    remadeParts(layers, { recompute })
      .filter(({ isMadeAgain }) => isMadeAgain)
      .map((part) => [part.layers.at(-1), part.layers]),
  );
  for (const [i, layer] of [...layers.entries()].toReversed()) {
    for (const each of last.get(i) ?? []) {
      listAgain(layers[each] as NetworkLayer, list, each === i);
    }
    listBackward(layer, list, i > 0 || inputGradient);
  }
}

/** Memory of a network's layers where parts are made again. */
export interface RemadeMemorySizes {
  /** Of each part: what it keeps, by what it is for. */
  readonly kept: readonly LayerMemory[];
  /** Of the two halves that parts share in turn. */
  readonly sharedBytes: readonly [number, number];
}

/** What the parts of a network keep and share on one rank. */
export function remadeMemory(
  layers: readonly NetworkLayer[],
  parts: readonly RemadeLayers[],
  { layout, columns }: { readonly layout: BlockLayout; readonly columns: number },
): RemadeMemorySizes {
  const sharedBytes: [number, number] = [0, 0];
  // As if the gradient of the input was computed, also where it is not.
  const place = { layout, columns, inputNeedsGradient: true };
  const kept = parts.map(({ part, layers: own }): LayerMemory => {
    let [all, keptBytes, activationBytes] = [0, 0, 0];
    for (const i of own) {
      const layer = layers[i] as NetworkLayer;
      const closes = i === own.at(-1);
      const inside = insideMemory(layer, place, remadeLayer(layer, closes));
      all += inside.activationBytes + inside.bufferBytes;
      keptBytes += inside.keptBytes ?? 0;
      if (closes) activationBytes = outputBytes(layer, place);
    }
    const shared = all - keptBytes - activationBytes;
    const half = (part % 2) as 0 | 1;
    sharedBytes[half] = Math.max(sharedBytes[half], shared);
    return { activationBytes, bufferBytes: keptBytes };
  });
  return { kept, sharedBytes };
}

/** What a layer allocates for what stands outside of the part that is made again. */
export function outsideMemory(
  layer: NetworkLayer,
  place: LayerPlace,
  closes: boolean,
): LayerMemory {
  const { before, after } = remadeLayer(layer, closes);
  const isOutside = (part: LayerPart) => !before.includes(part) && !after.includes(part);
  const first = [...layer.enter, ...layer.before].filter(isOutside);
  const memories = [
    ...first.map((part) => part.memory(place)),
    ...layer.after
      .filter(isOutside)
      .map((part) => part.memory({ ...place, inputNeedsGradient: true })),
  ];
  return {
    activationBytes: memories.reduce((sum, { activationBytes }) => sum + activationBytes, 0),
    bufferBytes: memories.reduce((sum, { bufferBytes }) => sum + bufferBytes, 0),
  };
}

/** Of what leaves a hidden layer or a residual block. */
function outputBytes(layer: NetworkLayer, { layout, columns }: LayerPlace): number {
  const { kind, outputs, blocks } = layer;
  const rows = kind.output === 'sharded' ? layout.blocksHere * (outputs / blocks) : outputs;
  return paddedBytes(rows * columns, writtenBy(remadeLayer(layer, true).after.at(-1)));
}

function writtenBy(part: LayerPart | undefined): Dtype {
  if (part?.operator.type === 'activation') return part.operator.written;
  return part?.operator.type === 'rounded' ? 'bfloat16' : 'float32';
}
