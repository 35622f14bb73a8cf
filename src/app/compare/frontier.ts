import {
  type Baseline,
  type Contestant,
  type Grid,
  gridContestants,
  groupOf,
} from './contestants.js';
import { type Outcome, stepsTo } from './outcome.js';
import { ratiosOf, type Spread, spreadOf } from './statistics.js';
import { atBestRates, type Budget, type Entry, type Runner, rounds } from './study.js';

/** Losses that networks are compared at. */
const LEVELS = 8;

/** What a network that reaches a loss takes. Parameters, FLOPs and bytes are of all ranks, forward and
 * backward; time and energy are those of training to the loss. */
export const COSTS = [
  { key: 'parameters', label: 'parameters', unit: '', untilLoss: false },
  { key: 'flopsPerSample', label: 'FLOPs per sample', unit: 'FLOP', untilLoss: false },
  { key: 'bytesPerSample', label: 'received per sample', unit: 'B', untilLoss: false },
  { key: 'timeS', label: 'time', unit: 's', untilLoss: true },
  { key: 'energyJ', label: 'energy', unit: 'J', untilLoss: true },
] as const;
export type Cost = (typeof COSTS)[number]['key'];

/** The cheapest network of a group that reaches a loss, by one cost. */
export interface Cheapest {
  readonly group: string;
  readonly level: number;
  readonly cost: Cost;
  /** Of each seed; null: none of the group reached it. */
  readonly bySeed: readonly ({ readonly contestant: string; readonly value: number } | null)[];
}

/** What phantom networks take of another group's cost, cheapest against cheapest, seed by seed. */
export interface Ratio {
  readonly against: string;
  readonly level: number;
  readonly cost: Cost;
  /** null: one of them did not reach it with every seed, or takes nothing. */
  readonly ratio: Spread | null;
}

/** Of a group the networks that no cheaper one reaches a lower loss than; by ascending cost. */
export interface Envelope {
  readonly group: string;
  readonly cost: Cost;
  readonly points: readonly {
    readonly contestant: string;
    readonly cost: Spread;
    readonly loss: Spread;
  }[];
}

export interface Frontier {
  readonly entries: readonly Entry[];
  /** Networks without a loss at any rate, or with some seed. */
  readonly failed: readonly string[];
  /** `dense`, of one block, and the strategies. */
  readonly groups: readonly string[];
  /** Validation losses, falling. */
  readonly levels: readonly number[];
  readonly cheapest: readonly Cheapest[];
  readonly ratios: readonly Ratio[];
  readonly envelopes: readonly Envelope[];
}

/**
 * Trains every network of a grid: all rates with a seed of the sweep's own, then the best rate of each
 * with all seeds, for the same number of steps.
 *
 * @param batch samples of a step
 */
export async function frontierStudy(
  { baseline, grid, batch }: { baseline: Baseline; grid: Grid; batch: number },
  budget: Budget,
  run: Runner,
): Promise<Frontier> {
  const { sweep, seeds } = rounds(budget, run);
  const all = gridContestants(baseline, grid);
  const entries = await seeds('fixed steps, all seeds', await atBestRates(all, sweep));
  return frontierOf({ all, entries, batch });
}

/** What entries of as many seeds each say of the least cost of a loss. */
export function frontierOf({
  all,
  entries: ended,
  batch,
}: {
  readonly all: readonly Contestant[];
  readonly entries: readonly Entry[];
  readonly batch: number;
}): Frontier {
  const entries = ended.filter(({ outcomes }) => outcomes.every((one) => leastLoss(one) !== null));
  const failed = all
    .map(({ name }) => name)
    .filter((name) => entries.every(({ contestant }) => contestant.name !== name));
  const groups = [...new Set(entries.map(({ contestant }) => groupOf(contestant)))];
  const levels = levelsOf(entries);
  const seeds = entries[0]?.outcomes.length ?? 0;
  const within = (group: string) => entries.filter((one) => groupOf(one.contestant) === group);
  const cheapest = levels.flatMap((level) =>
    COSTS.flatMap(({ key: cost }) =>
      groups.map((group): Cheapest => {
        const bySeed = Array.from({ length: seeds }, (_, seed) => {
          const values = within(group).flatMap((entry) => {
            const value = costOf(entry, seed, { cost, level, batch });
            return value === null ? [] : [{ contestant: entry.contestant.name, value }];
          });
          return values.toSorted((a, b) => a.value - b.value)[0] ?? null;
        });
        return { group, level, cost, bySeed };
      }),
    ),
  );
  const values = ({ bySeed }: Cheapest) => bySeed.map((one) => one?.value ?? null);
  const ratios = cheapest
    .filter(({ group }) => group !== 'phantom')
    .flatMap((other): Ratio[] => {
      const { group: against, level, cost } = other;
      const own = cheapest.find(
        (one) => one.group === 'phantom' && one.level === level && one.cost === cost,
      );
      return own ? [{ against, level, cost, ratio: ratiosOf(values(own), values(other)) }] : [];
    });
  const envelopes = groups.flatMap((group) =>
    COSTS.map(({ key: cost }) => ({ group, cost, points: envelopeOf(within(group), cost, batch) })),
  );
  return { entries, failed, groups, levels, cheapest, ratios, envelopes };
}

/** The least validation loss of a run; null: it has none. */
export function leastLoss({ failure, validations, validationLoss }: Outcome): number | null {
  if (failure !== null || validationLoss === null) return null;
  return Math.min(validationLoss, ...validations.map(([, loss]) => loss));
}

/** Loss levels at equal ratios, from what the worst network reaches to the least of all. */
function levelsOf(entries: readonly Entry[]): number[] {
  const reached = entries.map(({ outcomes }) =>
    Math.max(...outcomes.map((one) => leastLoss(one) ?? Infinity)),
  );
  const [high, low] = [Math.max(...reached), Math.min(...reached)];
  if (!(low > 0 && Number.isFinite(high))) return [];
  // Rounded up, so that who sets the last level reaches it.
  const rounded = (loss: number) => {
    const unit = 10 ** (Math.floor(Math.log10(loss)) - 2);
    return Number((Math.ceil(loss / unit) * unit).toPrecision(3));
  };
  const all = Array.from({ length: LEVELS }, (_, i) => high * (low / high) ** (i / (LEVELS - 1)));
  return [...new Set(all.map(rounded))];
}

/** @param of.level null: of the whole run */
function costOf(
  { contestant, outcomes }: Entry,
  seed: number,
  { cost, level, batch }: { cost: Cost; level: number | null; batch: number },
): number | null {
  const outcome = outcomes[seed];
  if (outcome === undefined) return null;
  const steps = level === null ? outcome.steps : stepsTo(level, outcome);
  if (steps === null) return null;
  const times = (each: number | null) => (each === null ? null : steps * each);
  switch (cost) {
    case 'parameters':
      return contestant.parameters;
    case 'flopsPerSample':
      return (outcome.flopsPerStep * contestant.ranks) / batch;
    case 'bytesPerSample':
      return (outcome.receivedBytesPerStep * contestant.ranks) / batch;
    case 'timeS':
      return times(outcome.stepTimeS);
    default:
      return times(outcome.stepEnergyJ);
  }
}

function envelopeOf(entries: readonly Entry[], cost: Cost, batch: number): Envelope['points'] {
  const points = entries.flatMap((entry) => {
    const costs = entry.outcomes.map((_, seed) =>
      costOf(entry, seed, { cost, level: null, batch }),
    );
    const [taken, loss] = [spreadOf(costs), spreadOf(entry.outcomes.map(leastLoss))];
    const contestant = entry.contestant.name;
    return taken === null || loss === null ? [] : [{ contestant, cost: taken, loss }];
  });
  let least = Infinity;
  return points
    .toSorted((a, b) => a.cost.median - b.cost.median || a.loss.median - b.loss.median)
    .filter(({ loss }) => {
      if (loss.median >= least) return false;
      least = loss.median;
      return true;
    });
}
