import type { Spread } from './outline.js';
import type { KindName } from './outlines.js';

/** How a network is split over blocks: which kind each of its linear layers is. */
interface StrategyDescription {
  /** For people. */
  readonly about: string;
  /** Whether its layers exchange ghosts. */
  readonly hasGhosts: boolean;
  readonly input: KindName;
  /** @param layer of `depth` hidden layers, from 0 */
  readonly hidden: (layer: number, depth: number) => KindName;
  readonly head: KindName;
  /** Of residual blocks: the kinds of both layers, and what is between blocks. */
  readonly block: { readonly up: KindName; readonly down: KindName; readonly stream: Spread };
}

/** Replicated features enter through a column-parallel layer and leave through a row-parallel one. */
const ENDS = { input: 'column', head: 'row' } as const;

export const STRATEGIES = {
  phantom: {
    ...ENDS,
    about: 'the blocks of a layer exchange ghosts',
    hasGhosts: true,
    hidden: () => 'phantom',
    block: { up: 'phantom', down: 'phantom', stream: 'sharded' },
  },
  tensor: {
    ...ENDS,
    about: 'one all-gather per layer',
    hasGhosts: false,
    hidden: () => 'gather',
    block: { up: 'gather', down: 'gather', stream: 'sharded' },
  },
  /**
   * A sharded activation enters a pair through the row-parallel layer and leaves it through the
   * column-parallel one. With the ends `input` (column) and `head` (row) every column-parallel
   * layer is then followed by a row-parallel one. An odd last layer is gathered.
   */
  'tensor-paired': {
    ...ENDS,
    about: 'one all-reduce per two layers',
    hasGhosts: false,
    hidden: (layer, depth) => {
      const unpaired = depth % 2 === 1 && layer === depth - 1;
      if (unpaired) return 'gather';
      return layer % 2 === 0 ? 'row' : 'column';
    },
    block: { up: 'column', down: 'row', stream: 'replicated' },
  },
} as const satisfies Readonly<Record<string, StrategyDescription>>;

/** How a network is split over ranks. */
export type Strategy = keyof typeof STRATEGIES;

/** The strategies. */
export const STRATEGY_NAMES = Object.keys(STRATEGIES) as Strategy[];

const WITH_GHOSTS: ReadonlySet<string> = new Set(
  STRATEGY_NAMES.filter((strategy) => STRATEGIES[strategy].hasGhosts),
);

/** Whether the layers of a network exchange ghosts. */
export function exchangesGhosts(strategy: string): boolean {
  return WITH_GHOSTS.has(strategy);
}
