import {
  type Activation,
  ACTIVATION_NAMES,
  NONLINEARITIES,
  type Nonlinearity,
} from '../engines/activations.js';
import { exchangesGhosts, type Strategy, STRATEGY_NAMES } from '../layers/strategies.js';
import { ConfigError } from '../base/errors.js';
import { GHOST_PRECISIONS, type GhostPrecision } from '../tensor/precision.js';
import { type Dtype, DTYPES } from '../tensor/tensor.js';

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
  /** N; the largest of `widths` */
  readonly width: number;
  /** L, the hidden layers */
  readonly depth: number;
  /** What enters hidden layer 0, 1, … and what leaves the last: L + 1 numbers; left out: all are
   * `width`. */
  readonly widths?: readonly number[];
  /** P */
  readonly blocks: number;
  /** K; not used by the tensor strategies */
  readonly ghosts: number;
  /**
   * K of each hidden layer, phantom only, with `ghosts` the largest; left out: all have `ghosts`.
   */
  readonly layerGhosts?: readonly number[];
  /** How ghosts travel, phantom only; float32 where it is left out. */
  readonly ghostPrecision?: GhostPrecision;
  /** A function on ghosts before they are sent, phantom only; left out: they are linear. */
  readonly ghostActivation?: Nonlinearity;
  /** What matrix products take; they and sums give float32. Default: float32. */
  readonly compute?: Dtype;
  readonly activation: Activation;
  /** Share of what a hidden activation gives that training drops; left out: none. It says nothing of a
   * network that answers. */
  readonly dropout?: number;
  /** Of how many hidden layers or residual blocks together training keeps only what leaves the last: what is
   * inside is made again in the backward pass. Left out: everything is kept. It says nothing of a network
   * that answers. */
  readonly recompute?: number;
  /** The hidden layers are L residual blocks; left out: a chain of L layers. */
  readonly residual?: ResidualBlocks;
  readonly ends: NetworkEnds;
  /** Replicated ends only: the kind of an input layer that takes features split over the blocks,
   * `phantom` or, of tensor strategies, `gather`; left out: it takes all features on every rank. */
  readonly input?: SplitKind;
  /** Likewise of a head whose answers are split over the blocks; with mse only. */
  readonly head?: SplitKind;
}

/** x ← x + down(φ(up(norm(x)))), with up from N to eN and down back. */
export interface ResidualBlocks {
  /** What divides x on its way in, and before the head: its root mean square, or nothing. */
  readonly norm: 'rms' | 'none';
  /** e */
  readonly expansion: number;
  /** Whether up goes to 2eN, and one half is multiplied by φ of the other; left out: not. */
  readonly gated?: boolean;
}

/** Kinds of layers from a sharded activation to a sharded one, as `input` or `head`. */
export type SplitKind = 'phantom' | 'gather';

/** The widths between hidden layers: L + 1. */
export function widthsOf({
  width,
  depth,
  widths,
}: Pick<NetworkSpecification, 'width' | 'depth'> & {
  readonly widths?: readonly number[] | undefined;
}): readonly number[] {
  return widths ?? Array.from({ length: depth + 1 }, () => width);
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

/**
 * The network with products of this format. Ghosts travel as they are multiplied, unless they do in
 * int8.
 */
export function withCompute(
  specification: NetworkSpecification,
  compute: Dtype,
): NetworkSpecification {
  if ((specification.compute ?? 'float32') === compute) return specification;
  const { ghostPrecision, ...network } = specification;
  return { ...network, compute, ...(ghostPrecision === 'int8' && { ghostPrecision }) };
}

/** The network as it answers: nothing is dropped, and nothing made again. */
export function answering(specification: NetworkSpecification): NetworkSpecification {
  const { dropout: _, recompute: __, ...network } = specification;
  return network;
}

/** Features of a sample. */
export function inputWidth(specification: NetworkSpecification): number {
  const { ends, width, widths } = specification;
  return ends.kind === 'sharded' ? (widths?.[0] ?? width) : ends.inputs;
}

/** Numbers in an answer. */
export function outputWidth(specification: NetworkSpecification): number {
  const { ends, width, widths } = specification;
  return ends.kind === 'sharded' ? (widths?.at(-1) ?? width) : ends.outputs;
}

function oneOf(name: string, value: string, known: readonly string[]): void {
  if (known.includes(value)) return;
  throw new ConfigError('network', `${name} is ${value}; it is one of ${known.join(', ')}`);
}

/** How ghosts travel: where nobody says, as they are multiplied. */
export function ghostPrecisionOf({
  strategy,
  compute = 'float32',
  ghostPrecision = exchangesGhosts(strategy) ? compute : 'float32',
}: Pick<NetworkSpecification, 'strategy' | 'compute' | 'ghostPrecision'>): GhostPrecision {
  return ghostPrecision;
}

/**
 * Checks a specification.
 *
 * @throws ConfigError when sizes do not fit one another, with the nearest that do
 */
export function validateSpecification(specification: NetworkSpecification): void {
  const { strategy, width, depth, blocks, ghosts, ends, activation } = specification;
  const { layerGhosts, compute = 'float32', ghostActivation } = specification;
  const ghostPrecision = ghostPrecisionOf(specification);
  oneOf('strategy', strategy, STRATEGY_NAMES);
  oneOf('activation', activation, ACTIVATION_NAMES);
  oneOf('ghostPrecision', ghostPrecision, GHOST_PRECISIONS);
  oneOf('compute', compute, DTYPES);
  if (ghostActivation !== undefined) {
    oneOf('ghostActivation', ghostActivation, NONLINEARITIES);
  }
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
  if (specification.widths !== undefined) validateWidths(specification, specification.widths);
  for (const each of widthsOf(specification)) {
    if (each % blocks === 0) continue;
    const below = Math.floor(each / blocks) * blocks;
    const fits = [below, below + blocks].filter((fit) => fit > 0).join(' and ');
    throw new ConfigError(
      'network',
      `width ${each} does not divide into ${blocks} blocks; the nearest widths that fit: ${fits}`,
    );
  }
  validateSplit(specification);
  const { dropout = 0 } = specification;
  if (!(dropout >= 0 && dropout < 1)) {
    throw new ConfigError('network', `dropout is ${dropout}; needs a share from 0 to below 1`);
  }
  const { recompute = 0 } = specification;
  if (!Number.isSafeInteger(recompute) || recompute < 0) {
    throw new ConfigError('network', `recompute is ${recompute}; needs an integer of at least 0`);
  }
  if (specification.residual !== undefined) validateResidual(specification, specification.residual);
  if (!exchangesGhosts(strategy)) {
    const given = ghostSettings(specification);
    if (given === null) return;
    throw new ConfigError(
      'network',
      `${given} with strategy ${strategy}, which has no ghosts; leave it out, or use --strategy ` +
        'phantom',
    );
  }
  if (compute !== 'float32' && ghostPrecision === 'float32') {
    throw new ConfigError(
      'network',
      `compute ${compute} with ghost precision ${ghostPrecision}; products would round them all the ` +
        'same: leave ghost precision out, or use int8',
    );
  }
  if (blocks < 2) {
    throw new ConfigError(
      'network',
      `${strategy} with 1 block has no ghosts to exchange; use --blocks 2 or more, or --strategy tensor`,
    );
  }
  if (layerGhosts !== undefined) {
    validateLayerGhosts(specification, layerGhosts);
    return;
  }
  const narrowest = Math.min(...widthsOf(specification).slice(0, depth));
  if (ghosts > narrowest / blocks) {
    throw new ConfigError(
      'network',
      `${ghosts} ghosts of blocks of width ${narrowest / blocks} (width ${narrowest} / ${blocks} ` +
        `blocks); needs ghosts ≤ ${narrowest / blocks}`,
    );
  }
}

/** What a specification says of ghosts besides their number, in words; null: nothing. */
function ghostSettings(specification: NetworkSpecification): string | null {
  const { layerGhosts, ghostActivation } = specification;
  const precision = ghostPrecisionOf(specification);
  if (layerGhosts !== undefined) return 'ghosts of each layer';
  if (precision !== 'float32') return `ghost precision ${precision}`;
  return ghostActivation === undefined ? null : `ghost activation ${ghostActivation}`;
}

function validateWidths({ width, depth }: NetworkSpecification, widths: readonly number[]): void {
  const isCount = (each: unknown) => Number.isSafeInteger(each) && (each as number) >= 1;
  if (!Array.isArray(widths) || widths.length !== depth + 1 || !widths.every(isCount)) {
    throw new ConfigError(
      'network',
      `widths ${JSON.stringify(widths)} of ${depth} hidden layers; needs ${depth + 1} integers of ` +
        'at least 1: what enters each layer, and what leaves the last',
    );
  }
  const largest = Math.max(...widths);
  if (largest === width) return;
  throw new ConfigError(
    'network',
    `width ${width}, and ${largest} the largest of the widths; leave width out`,
  );
}

function validateResidual(
  { widths }: NetworkSpecification,
  { norm, expansion }: ResidualBlocks,
): void {
  oneOf('norm', norm, ['rms', 'none']);
  if (!Number.isSafeInteger(expansion) || expansion < 1) {
    throw new ConfigError('network', `expansion is ${expansion}; needs an integer of at least 1`);
  }
  if (widths !== undefined) {
    throw new ConfigError('network', 'widths of residual blocks, which have one: use width');
  }
}

function validateSplit({ strategy, ends, input, head }: NetworkSpecification): void {
  const fits: SplitKind = exchangesGhosts(strategy) ? 'phantom' : 'gather';
  for (const [name, kind] of [
    ['input', input],
    ['head', head],
  ] as const) {
    if (kind === undefined) continue;
    oneOf(name, kind, ['phantom', 'gather']);
    if (kind !== fits) {
      throw new ConfigError(
        'network',
        `${name} ${kind} with strategy ${strategy}; it takes ${name} ${fits} or replicated`,
      );
    }
    if (ends.kind === 'replicated') continue;
    throw new ConfigError(
      'network',
      `${name} ${kind} with sharded ends, which have no ${name} layer; use ends replicated`,
    );
  }
}

function validateLayerGhosts(
  specification: NetworkSpecification,
  layerGhosts: readonly number[],
): void {
  const { depth, blocks, ghosts } = specification;
  if (!Array.isArray(layerGhosts) || layerGhosts.length !== depth) {
    throw new ConfigError(
      'network',
      `layer ghosts ${JSON.stringify(layerGhosts)} of ${depth} hidden layers; needs a number for each`,
    );
  }
  const widths = widthsOf(specification);
  for (const [layer, count] of layerGhosts.entries()) {
    const width = widths[layer] ?? 0;
    const most = width / blocks;
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
