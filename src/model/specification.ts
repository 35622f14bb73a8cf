import { type Activation, ACTIVATION_NAMES } from '../engines/activations.js';
import { exchangesGhosts, type Strategy, STRATEGY_NAMES } from '../layers/strategies.js';
import { ConfigError } from '../base/errors.js';
import { GHOST_PRECISIONS, type GhostPrecision } from '../tensor/precision.js';

/**
 * What a network's ends look like: `replicated` features enter through a linear layer `input` and
 * leave through `head`, or input and target are as wide as the layers and `sharded` like them.
 */
export type NetworkEnds =
  | { readonly kind: 'replicated'; readonly inputs: number; readonly outputs: number }
  | { readonly kind: 'sharded' };

/** Everything that determines a network but its weights. */
export interface NetworkSpecification {
  readonly strategy: Strategy;
  /** N */
  readonly width: number;
  /** L, the hidden layers of width N */
  readonly depth: number;
  /** P */
  readonly blocks: number;
  /** K; not used by the tensor strategies */
  readonly ghosts: number;
  /** K of each hidden layer, phantom only, with `ghosts` the largest; left out: all have `ghosts`. */
  readonly layerGhosts?: readonly number[];
  /** How ghosts travel, phantom only; float32 where it is left out. */
  readonly ghostPrecision?: GhostPrecision;
  readonly activation: Activation;
  readonly ends: NetworkEnds;
}

type Ghosts = Pick<NetworkSpecification, 'ghosts' | 'layerGhosts'>;

/** K of a hidden layer. */
export function ghostsOf({ ghosts, layerGhosts }: Ghosts, layer: number): number {
  return layerGhosts?.[layer] ?? ghosts;
}

/** The network of the first K' ≤ K ghosts of every block; layers that have fewer keep theirs. */
export function withFirstGhosts(
  specification: NetworkSpecification,
  count: number,
): NetworkSpecification {
  const { layerGhosts } = specification;
  const kept = layerGhosts?.map((own) => Math.min(own, count));
  return { ...specification, ghosts: count, ...(kept && { layerGhosts: kept }) };
}

/** Features of a sample. */
export function inputWidth({ ends, width }: NetworkSpecification): number {
  return ends.kind === 'sharded' ? width : ends.inputs;
}

/** Numbers in an answer. */
export function outputWidth({ ends, width }: NetworkSpecification): number {
  return ends.kind === 'sharded' ? width : ends.outputs;
}

function oneOf(name: string, value: string, known: readonly string[]): void {
  if (known.includes(value)) return;
  throw new ConfigError('network', `${name} is ${value}; it is one of ${known.join(', ')}`);
}

/** @throws ConfigError when the sizes do not fit one another, with the nearest that do */
export function validateSpecification(specification: NetworkSpecification): void {
  const { strategy, width, depth, blocks, ghosts, ends, activation } = specification;
  const { ghostPrecision = 'float32', layerGhosts } = specification;
  oneOf('strategy', strategy, STRATEGY_NAMES);
  oneOf('activation', activation, ACTIVATION_NAMES);
  oneOf('ghostPrecision', ghostPrecision, GHOST_PRECISIONS);
  oneOf('ends', ends.kind, ['replicated', 'sharded']);
  const sizes: [string, number][] = [
    ['width', width],
    ['depth', depth],
    ['blocks', blocks],
  ];
  if (exchangesGhosts(strategy)) sizes.push(['ghosts', ghosts]);
  if (ends.kind === 'replicated') sizes.push(['inputs', ends.inputs], ['outputs', ends.outputs]);
  for (const [name, size] of sizes) {
    if (!Number.isSafeInteger(size) || size < 1) {
      throw new ConfigError('network', `${name} is ${size}; needs an integer of at least 1`);
    }
  }
  if (width % blocks !== 0) {
    const below = Math.floor(width / blocks) * blocks;
    const fits = [below, below + blocks].filter((fit) => fit > 0).join(' and ');
    throw new ConfigError(
      'network',
      `width ${width} does not divide into ${blocks} blocks; the nearest widths that fit: ${fits}`,
    );
  }
  if (!exchangesGhosts(strategy)) {
    if (ghostPrecision === 'float32' && layerGhosts === undefined) return;
    const given =
      layerGhosts === undefined ? `ghost precision ${ghostPrecision}` : 'ghosts of each layer';
    throw new ConfigError(
      'network',
      `${given} with strategy ${strategy}, which has no ghosts; leave it out, or use --strategy ` +
        'phantom',
    );
  }
  if (blocks < 2) {
    throw new ConfigError(
      'network',
      `${strategy} with 1 block has no ghosts to exchange; use --blocks 2 or more, or --strategy tensor`,
    );
  }
  if (ghosts > width / blocks) {
    throw new ConfigError(
      'network',
      `${ghosts} ghosts of blocks of width ${width / blocks} (width ${width} / ${blocks} blocks); ` +
        `needs ghosts ≤ ${width / blocks}`,
    );
  }
  if (layerGhosts !== undefined) validateLayerGhosts(specification, layerGhosts);
}

function validateLayerGhosts(
  { depth, width, blocks, ghosts }: NetworkSpecification,
  layerGhosts: readonly number[],
): void {
  if (!Array.isArray(layerGhosts) || layerGhosts.length !== depth) {
    throw new ConfigError(
      'network',
      `layer ghosts ${JSON.stringify(layerGhosts)} of ${depth} hidden layers; needs a number for each`,
    );
  }
  const most = width / blocks;
  for (const [layer, count] of layerGhosts.entries()) {
    if (Number.isSafeInteger(count) && count >= 1 && count <= most) continue;
    throw new ConfigError(
      'network',
      `${count} ghosts in layer ${layer}; needs an integer from 1 to ${most} (width ${width} / ` +
        `${blocks} blocks)`,
    );
  }
  const largest = Math.max(...layerGhosts);
  if (largest === ghosts) return;
  throw new ConfigError(
    'network',
    `ghosts ${ghosts}, and ${largest} in a layer; ghosts is the largest of the layers': leave one out`,
  );
}

/** @throws ConfigError unless the ranks divide the blocks, with the counts that do */
export function validateRanks(blocks: number, ranks: number): void {
  if (Number.isSafeInteger(ranks) && ranks >= 1 && blocks % ranks === 0) return;
  const divisors = ranksThatFit(blocks);
  throw new ConfigError(
    'network',
    `${ranks} ranks cannot host ${blocks} blocks evenly; ranks that fit: ${divisors.join(', ')}`,
  );
}

/** Numbers of ranks that so many blocks can be on, each with as many: their divisors, ascending. */
export function ranksThatFit(blocks: number): number[] {
  return Array.from({ length: blocks }, (_, i) => i + 1).filter((n) => blocks % n === 0);
}
