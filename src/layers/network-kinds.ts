import type { LayerKind } from './kind.js';
import { KINDS } from './kinds.js';
import { STRATEGIES, type Strategy } from './strategies.js';

/** The kind of every linear layer of a network. */
export interface NetworkKinds {
  readonly input: LayerKind;
  /** @param layer from 0 */
  hidden(layer: number): LayerKind;
  readonly head: LayerKind;
}

/** @param depth L */
export function kindsOf(strategy: Strategy, depth: number): NetworkKinds {
  const { input, hidden, head } = STRATEGIES[strategy];
  return {
    input: KINDS[input],
    hidden: (layer) => KINDS[hidden(layer, depth)],
    head: KINDS[head],
  };
}
