import { parameterCount } from '../../analysis/network-cost.js';
import { exchangesGhosts, type Strategy, STRATEGY_NAMES } from '../../layers/strategies.js';
import type { LossName } from '../../layers/loss-names.js';
import { type EndChoices, endsFor, splitEnds } from '../../model/split-ends.js';
import {
  type NetworkEnds,
  type NetworkSpecification,
  ranksThatFit,
  type ResidualBlocks,
} from '../../model/specification.js';

/** Who takes part in a comparison: what a run's settings get from it. */
export interface Contestant {
  /** Unique, and good for a folder's name. */
  readonly name: string;
  readonly strategy: Strategy;
  readonly width: number;
  readonly depth: number;
  readonly blocks: number;
  /** 0 for the tensor strategies. */
  readonly ghosts: number;
  readonly ranks: number;
  readonly parameters: number;
}

/** What all contestants start from. */
export interface Baseline {
  readonly width: number;
  readonly depth: number;
  readonly blocks: number;
  readonly ranks: number;
  readonly ends: NetworkEnds;
  /** Of all, or null: plain. */
  readonly residual: ResidualBlocks | null;
  /** How input layers and heads are asked to be. */
  readonly endChoices: EndChoices;
  readonly loss: LossName;
  /** Numbers of ghosts to try. */
  readonly ghosts: readonly number[];
}

/** Sizes that the networks of a frontier have, each with each. */
export interface Grid {
  readonly widths: readonly number[];
  readonly depths: readonly number[];
}

type Sizes = Pick<Contestant, 'strategy' | 'width' | 'blocks' | 'ghosts' | 'ranks'>;

function contestant(baseline: Baseline, sizes: Sizes): Contestant {
  const { strategy, width, blocks, ghosts, ranks } = sizes;
  const split = exchangesGhosts(strategy) ? `p${blocks}-k${ghosts}` : `p${blocks}`;
  const name = `${strategy}-n${width}-${split}-r${ranks}`;
  return {
    name,
    ...sizes,
    depth: baseline.depth,
    parameters: parameterCount(specify(baseline, sizes)),
  };
}

function specify(
  baseline: Baseline,
  { strategy, width, blocks, ghosts }: Sizes,
): NetworkSpecification {
  const { depth, ends, residual, endChoices, loss } = baseline;
  const sizes = { width, depth, blocks, ghosts: Math.max(1, ghosts) };
  const blockShape = residual && { residual };
  const network = { strategy, ...sizes, ...blockShape, ends, activation: 'relu' } as const;
  return { ...network, ...splitEnds(network, endsFor(strategy, endChoices), loss) };
}

/** The networks without ghosts, and those of the same width with each K. */
export function equalWidth(baseline: Baseline): Contestant[] {
  const { width, blocks, ranks } = baseline;
  const sizes = { width, blocks, ranks };
  const without = STRATEGY_NAMES.filter((strategy) => !exchangesGhosts(strategy));
  const withGhosts = STRATEGY_NAMES.filter(exchangesGhosts);
  return [
    ...without.map((strategy) => contestant(baseline, { ...sizes, strategy, ghosts: 0 })),
    ...withGhosts.flatMap((strategy) =>
      ghostsOf(baseline, width / blocks).map((ghosts) =>
        contestant(baseline, { ...sizes, strategy, ghosts }),
      ),
    ),
  ];
}

/**
 * Networks of every width and depth of a grid: those without ghosts, phantom ones of each K, and
 * dense ones, which are one block on one rank. So every split network has a dense one of its width
 * and depth beside it, and smaller dense ones.
 */
export function gridContestants(baseline: Baseline, { widths, depths }: Grid): Contestant[] {
  const all = depths.flatMap((depth) =>
    widths.flatMap((width) => {
      const base = { ...baseline, width, depth };
      const dense = { strategy: 'tensor', width, blocks: 1, ghosts: 0, ranks: 1 } as const;
      return [contestant(base, dense), ...equalWidth(base)].map((one) => ({
        ...one,
        name: one.name.replace(`-n${width}-`, `-n${width}-l${depth}-`),
      }));
    }),
  );
  return [...new Map(all.map((one) => [one.name, one])).values()];
}

/** What people call a contestant's way of splitting: `dense` of one block, else the strategy. */
export function groupOf({ strategy, blocks }: Contestant): string {
  return blocks === 1 ? 'dense' : strategy;
}

/**
 * For each K the phantom network with as nearly as many parameters as the tensor-parallel one as
 * a width allows that the blocks divide. None where ends are as wide as the layers: there the data
 * fix the width.
 */
export function equalParameters(baseline: Baseline): Contestant[] {
  const { blocks, ranks, width: N } = baseline;
  if (baseline.ends.kind === 'sharded') return [];
  const [tensor] = equalWidth(baseline);
  const wanted = tensor?.parameters ?? 0;
  return ghostsOf(baseline, N / blocks).map((ghosts) => {
    const at = (width: number) =>
      contestant(baseline, { strategy: 'phantom', width, blocks, ghosts, ranks });
    let width = N;
    while (at(width + blocks).parameters <= wanted) width += blocks;
    const [below, above] = [at(width), at(width + blocks)];
    return above.parameters - wanted < wanted - below.parameters ? above : below;
  });
}

/**
 * Phantom networks with fewer parameters than the tensor-parallel one, by ascending parameters:
 * widths in eighths of its width, two blocks up to as many as it has, every K, each on the fewest
 * ranks on which none holds more parameters than a rank of the tensor-parallel one, where that can be
 * had.
 */
export function smallerPhantoms(baseline: Baseline): Contestant[] {
  const largest = equalWidth(baseline)[0]?.parameters ?? 0;
  const all = new Map<string, Contestant>();
  for (const width of widthsOf(baseline)) {
    for (let blocks = 2; blocks <= Math.max(2, baseline.blocks); blocks *= 2) {
      if (width % blocks !== 0) continue;
      const fitting = ranksThatFit(blocks).filter((ranks) => ranks <= baseline.ranks);
      for (const ghosts of ghostsOf(baseline, width / blocks)) {
        const on = (ranks: number) =>
          contestant(baseline, { strategy: 'phantom', width, blocks, ghosts, ranks });
        const { parameters } = on(1);
        if (parameters >= largest) continue;
        const enough = fitting.find((ranks) => parameters / ranks <= largest / baseline.ranks);
        const each = on(enough ?? fitting.at(-1) ?? 1);
        all.set(each.name, each);
      }
    }
  }
  return [...all.values()].toSorted((a, b) => a.parameters - b.parameters);
}

/** The tensor-parallel network of another's width, blocks and ranks. */
export function tensorLike(baseline: Baseline, { width, blocks, ranks }: Contestant): Contestant {
  return contestant(baseline, { strategy: 'tensor', width, blocks, ghosts: 0, ranks });
}

function widthsOf({ width, ends }: Baseline): number[] {
  if (ends.kind === 'sharded') return [width];
  return Array.from({ length: 8 }, (_, i) => Math.floor((width * (i + 1)) / 8));
}

/** The numbers of ghosts that blocks of a width can have. */
function ghostsOf({ ghosts }: Baseline, blockWidth: number): number[] {
  return [...new Set(ghosts.map((count) => Math.max(1, Math.min(count, blockWidth))))];
}
