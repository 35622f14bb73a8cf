import { blockLayout } from '../layers/block-layout.js';
import { exchangesGhosts, type Strategy, STRATEGY_NAMES } from '../layers/strategies.js';
import { parameterSizes } from '../model/layer-parameters.js';
import { networkLayers } from '../model/network-layers.js';
import type { NetworkSpecification } from '../model/specification.js';
import { parameterCount, stepCost } from './network-cost.js';
import { OPTIMIZERS } from '../optimizers/optimizer-list.js';
import { AVERAGE_FLOPS } from '../optimizers/weight-average.js';
import { type StepEnergy, stepEnergy } from './energy.js';
import type { Machine, ProductFormat } from '../machine/machine.js';
import { ratesOf } from './rates.js';
import { type RankMemory, rankMemory } from './step-memory.js';
import { stepProgram, type StepShape } from './step-program.js';
import { type StepTime, stepTime } from './step-time.js';

/** What a training step comes to, without running anything. Of a rank, unless said otherwise. */
export interface Plan {
  readonly strategy: Strategy;
  readonly width: number;
  readonly depth: number;
  readonly blocks: number;
  readonly ranks: number;
  /** The largest of its layers; null for tensor strategies, which have none. */
  readonly ghosts: number | null;
  /** Null where all layers have as many. */
  readonly layerGhosts: readonly number[] | null;
  readonly batch: number;
  /** Of the whole network. */
  readonly parameters: number;
  /** Of matrix products. */
  readonly forwardFlops: number;
  readonly backwardFlops: number;
  /** Arithmetic of the optimizer's pass. */
  readonly updateFlops: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Collectives that a rank takes part in, and what they come to in messages of their algorithm;
   * null: the machine file does not tell. */
  readonly collectives: number;
  readonly messages: number | null;
  readonly memory: RankMemory;
  /** Whether the memory is within what a rank of the machine has; null: unknown. */
  readonly fits: boolean | null;
  readonly time: StepTime | null;
  /** Of all ranks; modelled. */
  readonly energy: StepEnergy | null;
  /** What the figures rest on and leave out. */
  readonly notes: readonly string[];
}

/** A rank that does as much as any: where both sides of a block exist there are most products. */
function busyRank({ ranks }: StepShape): number {
  return ranks > 2 ? 1 : 0;
}

function computeOf({ specification, tf32 }: StepShape): ProductFormat {
  return tf32 ? 'tf32' : (specification.compute ?? 'float32');
}

/** Derives a step of a network on a machine. */
export function planStep(shape: StepShape, machine: Machine, transport?: string): Plan {
  const { specification, ranks, columns, optimizer, inputGradient } = shape;
  const { strategy, width, depth, blocks, ghosts, layerGhosts = null } = specification;
  const cost = stepCost(specification, ranks, columns, inputGradient);
  const rank = busyRank(shape);
  const rates = ratesOf(machine, ranks, transport, computeOf(shape));
  const time = stepTime(stepProgram(shape, rank), rates);
  const energy = time && stepEnergy(machine.power, time, ranks, cost.total.sentBytes);
  const memory = rankMemory(shape, 0);
  const weights = parameterSizes(networkLayers(specification), blockLayout(blocks, ranks, 0));
  const averageFlops = shape.average ? AVERAGE_FLOPS : 0;
  const updateFlops = OPTIMIZERS[optimizer].updateFlops + averageFlops;
  const limit = machine.rankMemoryBytes;
  return {
    strategy,
    width,
    depth,
    blocks,
    ranks,
    ghosts: exchangesGhosts(strategy) ? ghosts : null,
    layerGhosts: exchangesGhosts(strategy) ? layerGhosts : null,
    batch: columns,
    parameters: parameterCount(specification),
    forwardFlops: cost.forward.flops,
    backwardFlops: cost.backward.flops,
    updateFlops: updateFlops * weights.reduce((sum, size) => sum + size, 0),
    sentBytes: cost.total.sentBytes,
    receivedBytes: cost.total.receivedBytes,
    collectives: cost.total.collectives,
    messages: time?.messages ?? null,
    memory,
    fits: limit && memory.totalBytes <= limit.value,
    time,
    energy,
    notes: [...rates.notes, ...(energy?.notes ?? [])],
  };
}

/** The same shape with another strategy, P or K; one rank a block. All layers have that K. */
export function withNetwork(
  shape: StepShape,
  change: Partial<Pick<NetworkSpecification, 'strategy' | 'blocks' | 'ghosts'>>,
): StepShape {
  const { layerGhosts, ...network } = shape.specification;
  const kept = change.ghosts === undefined && layerGhosts ? { layerGhosts } : {};
  const specification = { ...network, ...kept, ...change };
  return { ...shape, specification, ranks: change.blocks ?? shape.ranks };
}

/** Powers of two that divide the width, from 2 to `most`: the P of a sweep. */
export function sweepBlocks(width: number, most: number): number[] {
  const blocks: number[] = [];
  for (let P = 2; P <= most && width % P === 0; P *= 2) blocks.push(P);
  return blocks;
}

/** Powers of two up to the block width, and the block width: the K of a sweep. */
export function sweepGhosts(blockWidth: number): number[] {
  const ghosts: number[] = [];
  for (let K = 1; K < blockWidth; K *= 2) ghosts.push(K);
  return [...ghosts, blockWidth];
}

/** What a sweep varies, and how far. */
export interface Sweep {
  readonly over: 'blocks' | 'ghosts';
  readonly mostRanks: number;
  /** As of `planStep`. */
  readonly transport?: string | undefined;
}

/** Every strategy over P (one rank a block) or over K, which the tensor strategies have once. */
export function sweepPlans(
  shape: StepShape,
  machine: Machine,
  { over, mostRanks, transport }: Sweep,
): Plan[] {
  const { width, blocks, ghosts } = shape.specification;
  const plan = (change: Parameters<typeof withNetwork>[1]) =>
    planStep(withNetwork(shape, change), machine, transport);
  if (over === 'blocks') {
    return sweepBlocks(width, mostRanks).flatMap((P) =>
      STRATEGY_NAMES.map((strategy) => {
        // Fewer ghosts where blocks become narrower than that.
        return plan({ strategy, blocks: P, ghosts: Math.min(ghosts, width / P) });
      }),
    );
  }
  return STRATEGY_NAMES.flatMap((strategy) =>
    exchangesGhosts(strategy)
      ? sweepGhosts(width / blocks).map((K) => plan({ strategy, ghosts: K }))
      : [plan({ strategy })],
  );
}
