import type { LayerKind } from './kind.js';
import { type KindName, KINDS } from './kinds.js';
import { STRATEGIES, type Strategy } from './strategies.js';

/** The kind of every linear layer of a network. */
export interface NetworkKinds {
  readonly input: LayerKind;
  /** Of a hidden layer. @param layer from 0 */
  hidden(layer: number): LayerKind;
  readonly head: LayerKind;
}

/**
 * The kind of every linear layer of a network of a strategy.
 *
 * @param depth L
 * @param ends kinds of an input or head that are split over the blocks
 */
export function kindsOf(
  strategy: Strategy,
  depth: number,
  ends: { readonly input?: KindName; readonly head?: KindName } = {},
): NetworkKinds {
  const { input, hidden, head } = STRATEGIES[strategy];
  return {
    input: KINDS[ends.input ?? input],
    hidden: (layer) => KINDS[hidden(layer, depth)],
    head: KINDS[ends.head ?? head],
  };
}
