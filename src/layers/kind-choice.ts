import type { LayerOutline } from './outline.js';
import { type KindName, OUTLINES } from './outlines.js';
import { STRATEGIES, type Strategy } from './strategies.js';

/** Which kind each linear layer of a network is. */
export interface KindChoice<K extends LayerOutline> {
  readonly input: K;
  /** Of a hidden layer that no residual block has. @param layer from 0 */
  hidden(layer: number): K;
  /** Of both layers of a residual block. */
  readonly block: { readonly up: K; readonly down: K };
  readonly head: K;
}

/** Kinds of an input or head that are split over the blocks; default: the strategy's. */
export interface EndNames {
  readonly input?: KindName;
  readonly head?: KindName;
}

/** The choice of a strategy from a list of kinds. @param depth L */
export function chooseKinds<K extends LayerOutline>(
  list: Readonly<Record<KindName, K>>,
  strategy: Strategy,
  depth: number,
  ends: EndNames,
): KindChoice<K> {
  const { input, hidden, block, head } = STRATEGIES[strategy];
  return {
    input: list[ends.input ?? input],
    hidden: (layer) => list[hidden(layer, depth)],
    block: { up: list[block.up], down: list[block.down] },
    head: list[ends.head ?? head],
  };
}

/** The outlines of every linear layer of a network of a strategy. */
export function outlinesOf(
  strategy: Strategy,
  depth: number,
  ends: EndNames = {},
): KindChoice<LayerOutline> {
  return chooseKinds(OUTLINES, strategy, depth, ends);
}
