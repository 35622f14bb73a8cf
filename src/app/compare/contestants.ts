import { parameterCount } from '../../analysis/cost.js';
import {
  type NetworkEnds,
  type NetworkSpecification,
  ranksThatFit,
  type Strategy,
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
export interface Field {
  readonly width: number;
  readonly depth: number;
  readonly blocks: number;
  readonly ranks: number;
  readonly ends: NetworkEnds;
  /** Numbers of ghosts to try. */
  readonly ghosts: readonly number[];
}

type Sizes = Pick<Contestant, 'strategy' | 'width' | 'blocks' | 'ghosts' | 'ranks'>;

function contestant(field: Field, sizes: Sizes): Contestant {
  const { strategy, width, blocks, ghosts, ranks } = sizes;
  const name =
    strategy === 'phantom'
      ? `phantom-n${width}-p${blocks}-k${ghosts}-r${ranks}`
      : `${strategy}-n${width}-p${blocks}-r${ranks}`;
  return { name, ...sizes, depth: field.depth, parameters: parameterCount(specify(field, sizes)) };
}

function specify(field: Field, { strategy, width, blocks, ghosts }: Sizes): NetworkSpecification {
  const { depth, ends } = field;
  return { strategy, width, depth, blocks, ghosts, ends, activation: 'relu' };
}

/** The two tensor-parallel networks, and a phantom one of the same width for each K. */
export function equalWidth(field: Field): Contestant[] {
  const { width, blocks, ranks } = field;
  const sizes = { width, blocks, ranks };
  return [
    contestant(field, { ...sizes, strategy: 'tensor', ghosts: 0 }),
    contestant(field, { ...sizes, strategy: 'tensor-paired', ghosts: 0 }),
    ...ghostsOf(field, width / blocks).map((ghosts) =>
      contestant(field, { ...sizes, strategy: 'phantom', ghosts }),
    ),
  ];
}

/**
 * For each K the phantom network with as nearly as many parameters as the tensor-parallel one as
 * a width allows that the blocks divide. None where ends are as wide as the layers: there the data
 * fix the width.
 */
export function equalParameters(field: Field): Contestant[] {
  const { blocks, ranks, width: N } = field;
  if (field.ends.kind === 'sharded') return [];
  const [tensor] = equalWidth(field);
  const wanted = tensor?.parameters ?? 0;
  return ghostsOf(field, N / blocks).map((ghosts) => {
    const at = (width: number) =>
      contestant(field, { strategy: 'phantom', width, blocks, ghosts, ranks });
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
export function smallerPhantoms(field: Field): Contestant[] {
  const largest = equalWidth(field)[0]?.parameters ?? 0;
  const all = new Map<string, Contestant>();
  for (const width of widthsOf(field)) {
    for (let blocks = 2; blocks <= Math.max(2, field.blocks); blocks *= 2) {
      if (width % blocks !== 0) continue;
      const fitting = ranksThatFit(blocks).filter((ranks) => ranks <= field.ranks);
      for (const ghosts of ghostsOf(field, width / blocks)) {
        const on = (ranks: number) =>
          contestant(field, { strategy: 'phantom', width, blocks, ghosts, ranks });
        const { parameters } = on(1);
        if (parameters >= largest) continue;
        const enough = fitting.find((ranks) => parameters / ranks <= largest / field.ranks);
        const each = on(enough ?? fitting.at(-1) ?? 1);
        all.set(each.name, each);
      }
    }
  }
  return [...all.values()].toSorted((a, b) => a.parameters - b.parameters);
}

/** The tensor-parallel network of another's width, blocks and ranks. */
export function tensorLike(field: Field, { width, blocks, ranks }: Contestant): Contestant {
  return contestant(field, { strategy: 'tensor', width, blocks, ghosts: 0, ranks });
}

function widthsOf({ width, ends }: Field): number[] {
  if (ends.kind === 'sharded') return [width];
  return Array.from({ length: 8 }, (_, i) => Math.floor((width * (i + 1)) / 8));
}

/** The numbers of ghosts that blocks of a width can have. */
function ghostsOf({ ghosts }: Field, blockWidth: number): number[] {
  return [...new Set(ghosts.map((count) => Math.max(1, Math.min(count, blockWidth))))];
}
