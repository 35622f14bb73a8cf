import type { LayerKind } from './kind.js';
import { chooseKinds, type EndNames, type KindChoice } from './kind-choice.js';
import { KINDS } from './kinds.js';
import type { Strategy } from './strategies.js';

/** The kind of every linear layer of a network. */
export type NetworkKinds = KindChoice<LayerKind>;

/**
 * The kind of every linear layer of a network of a strategy.
 *
 * @param depth L
 * @param ends kinds of an input or head that are split over the blocks
 */
export function kindsOf(strategy: Strategy, depth: number, ends: EndNames = {}): NetworkKinds {
  return chooseKinds(KINDS, strategy, depth, ends);
}
