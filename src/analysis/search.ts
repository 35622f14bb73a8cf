import { STRATEGY_NAMES } from '../layers/strategies.js';
import type { Machine } from '../machine/machine.js';
import { type Plan, planStep, sweepBlocks, withNetwork } from './plan.js';
import type { StepShape } from './step-program.js';

/** What a plan has to keep. */
export interface SearchLimits {
  /** Of a rank; null: what the machine has, if that is known. */
  readonly memoryBytes: number | null;
  readonly stepS: number | null;
  readonly mostRanks: number;
  /** Smallest K, as a share of the block width M, that is taken to cost no loss. */
  readonly safeGhostShare: number;
}

/** A candidate, and why it is not the answer; null: nothing is against it. */
export interface Candidate {
  readonly plan: Plan;
  readonly against: string | null;
}

/** What a search over networks and ranks found. */
export interface SearchResult {
  /** Least energy first, those without energy by rank-seconds. */
  readonly allowed: readonly Plan[];
  readonly refused: readonly Candidate[];
  /** What the order is by. */
  readonly by: 'energy' | 'rank-seconds';
}

/**
 * Looks at every strategy and every P that is a power of two, one rank a block, phantom with the
 * smallest K that is loss-safe: fewer ghosts are less work, bytes and memory. Where the machine
 * file has no watts, the order is by ranks × seconds, which is proportional to energy if every
 * rank draws the same.
 */
export function searchPlans(
  shape: StepShape,
  machine: Machine,
  limits: SearchLimits,
): SearchResult {
  const memory = limits.memoryBytes ?? machine.rankMemoryBytes?.value ?? null;
  const candidates = STRATEGY_NAMES.flatMap((strategy) =>
    sweepBlocks(shape.specification.width, limits.mostRanks).map((blocks): Candidate => {
      const M = shape.specification.width / blocks;
      const ghosts = Math.min(M, Math.max(1, Math.ceil(limits.safeGhostShare * M)));
      const plan = planStep(withNetwork(shape, { strategy, blocks, ghosts }), machine);
      return { plan, against: against(plan, memory, limits.stepS) };
    }),
  );
  const allowed = candidates.filter((one) => one.against === null).map(({ plan }) => plan);
  const by = allowed.every(({ energy }) => typeof energy?.atMostJ === 'number')
    ? 'energy'
    : 'rank-seconds';
  const cost = (plan: Plan) =>
    by === 'energy' ? (plan.energy?.atMostJ ?? Infinity) : plan.ranks * (plan.time?.stepS ?? 0);
  return {
    allowed: allowed.toSorted((a, b) => cost(a) - cost(b)),
    refused: candidates.filter((one) => one.against !== null),
    by,
  };
}

function against(plan: Plan, memoryBytes: number | null, stepS: number | null): string | null {
  if (memoryBytes !== null && plan.memory.totalBytes > memoryBytes) {
    return `needs ${gigabytes(plan.memory.totalBytes)} per rank; the limit is ${gigabytes(memoryBytes)}`;
  }
  if (plan.time === null) return 'the machine file has no communication times';
  if (stepS !== null && plan.time.stepS > stepS) {
    return `${milliseconds(plan.time.stepS)} per step; the limit is ${milliseconds(stepS)}`;
  }
  return null;
}

const gigabytes = (bytes: number) => `${(bytes / 1e9).toPrecision(3)} GB`;
const milliseconds = (seconds: number) => `${(seconds * 1e3).toPrecision(3)} ms`;
