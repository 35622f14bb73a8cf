import {
  type Contestant,
  equalParameters,
  equalWidth,
  type Baseline,
  smallerPhantoms,
  tensorLike,
} from './contestants.js';
import { type Outcome, stepsTo } from './outcome.js';

/** How much a comparison may run. */
export interface Budget {
  /** Learning rates that every contestant is tried with. */
  readonly rates: readonly number[];
  readonly seeds: readonly number[];
  /** Of the runs that choose the rates; another than those that are reported. */
  readonly sweepSeed: number;
  /** Smaller phantom networks that the search tries at most; 0: no search. */
  readonly searched: number;
  /** A run to a loss may take so many times the steps of the others. */
  readonly patience: number;
}

/** A contestant in a table, at the rate that is best for it. */
export interface Entry {
  readonly contestant: Contestant;
  readonly rate: number;
  /** One for each seed. */
  readonly outcomes: readonly Outcome[];
}

/** A network that was tried for the target. */
export interface Tried {
  readonly contestant: Contestant;
  readonly reached: boolean;
}

/** Everything a comparison found; a part is null until it is done. */
export interface Findings {
  readonly equalWidth: readonly Entry[] | null;
  readonly equalParameters: readonly Entry[] | null;
  /** The validation loss that `tensor` ended with or below with every seed, rounded up. */
  readonly target: number | null;
  /** Those that reached the target with every seed, each at its fastest rate. */
  readonly toTarget: readonly Entry[] | null;
  readonly missed: readonly Contestant[];
  readonly tried: readonly Tried[];
  /** The smallest phantom network that reached it; null: none did, or no search. */
  readonly smallest: Contestant | null;
  /** The tensor-parallel network of its width and ranks: what a small network saves is not what
   * phantom parallelism does. */
  readonly control: Tried | null;
}

export interface Job {
  readonly contestant: Contestant;
  readonly rate: number;
  readonly seed: number;
  /** Validation loss at which the run ends, and may take longer for; null: fixed steps. */
  readonly target: number | null;
}

/** Runs a job, or returns what it came to before. Rejects to end the study. */
export type Runner = (job: Job, about: Progress) => Promise<Outcome>;

export interface Progress {
  /** What the run is for. */
  readonly stage: string;
  /** Runs of this stage that are done, and all of them. */
  readonly done: number;
  readonly of: number;
}

/**
 * A sweep of learning rates with a seed of its own, the same for every contestant; then the best rate
 * of each with all seeds, contestants in turn and each round in the opposite order. Last the search
 * for the smallest phantom network that reaches the tensor-parallel loss, and as its control the
 * tensor-parallel network of the same width.
 *
 * @param onFindings is called with the findings so far, after each part
 */
export async function study(
  baseline: Baseline,
  budget: Budget,
  run: Runner,
  onFindings: (findings: Findings) => void = () => {},
): Promise<Findings> {
  const wide = equalWidth(baseline);
  const alike = equalParameters(baseline).filter(({ name }) =>
    wide.every((one) => one.name !== name),
  );
  const all = [...wide, ...alike];
  let findings: Findings = {
    equalWidth: null,
    equalParameters: null,
    target: null,
    toTarget: null,
    missed: [],
    tried: [],
    smallest: null,
    control: null,
  };
  const tell = (found: Partial<Findings>) => {
    findings = { ...findings, ...found };
    onFindings(findings);
  };
  const { sweep, seeds } = rounds(budget, run);

  const entries = await seeds('fixed steps, all seeds', await atBestRates(all, sweep));
  const named = (names: readonly Contestant[]) =>
    entries.filter(({ contestant }) => names.includes(contestant));
  const target = targetOf(entries);
  tell({ equalWidth: named(wide), equalParameters: named(alike), target });
  if (target === null) return findings;

  const stage = `to the loss ${target}`;
  const pursued = await sweep(stage, all, target);
  const fastest = all.map((contestant) => ({
    contestant,
    rate: fastestRate(pursued.get(contestant.name) ?? [], target),
  }));
  const finals = await seeds(stage, rated(fastest), target);
  const toTarget = finals.filter((entry) => reaches(target, entry));
  const missed = all.filter((one) => toTarget.every(({ contestant }) => contestant !== one));
  tell({ toTarget, missed });

  /** At the fastest rate for it, with every seed. */
  const pursue = async (place: string, contestant: Contestant): Promise<Entry | null> => {
    const trial = (await sweep(place, [contestant], target)).get(contestant.name) ?? [];
    const rate = fastestRate(trial, target);
    const [entry] = await seeds(place, rated([{ contestant, rate }]), target);
    return entry !== undefined && reaches(target, entry) ? entry : null;
  };

  // Bisection over networks by ascending parameters: larger ones are taken to do no worse.
  const candidates = smallerPhantoms(baseline);
  const tried: Tried[] = [];
  let smallest: Entry | null = null;
  let [low, high] = [0, candidates.length];
  for (let i = 0; i < budget.searched && low < high; i++) {
    const middle = (low + high) >> 1;
    const contestant = candidates[middle] as Contestant;
    const entry = await pursue(`search ${i + 1}`, contestant);
    tried.push({ contestant, reached: entry !== null });
    if (entry !== null) [smallest, high] = [entry, middle];
    else low = middle + 1;
    const others = toTarget.filter((one) => one.contestant.name !== smallest?.contestant.name);
    tell({
      tried: [...tried],
      smallest: smallest?.contestant ?? null,
      toTarget: smallest === null ? toTarget : [...others, smallest],
    });
  }
  if (smallest === null) return findings;
  const contestant = tensorLike(baseline, smallest.contestant);
  if (all.some(({ name }) => name === contestant.name)) return findings;
  const entry = await pursue('control', contestant);
  tell({
    control: { contestant, reached: entry !== null },
    toTarget: [...(findings.toTarget ?? []), ...(entry === null ? [] : [entry])],
  });
  return findings;
}

/** The two kinds of rounds that studies consist of. */
export function rounds({ rates, seeds: all, sweepSeed }: Budget, runner: Runner) {
  const fixed = new Map<string, Outcome>();
  /** A run of fixed steps that reached the target on its way needs no other. */
  const run: Runner = async (job, about) => {
    const key = [job.contestant.name, job.rate, job.seed].join(' ');
    const known = fixed.get(key);
    if (job.target !== null && known && stepsTo(job.target, known) !== null) return known;
    const outcome = await runner(job, about);
    if (job.target === null) fixed.set(key, outcome);
    return outcome;
  };
  return {
    /** Every rate with the sweep's seed, contestants in turn. */
    sweep: async (
      stage: string,
      contestants: readonly Contestant[],
      target: number | null = null,
    ) => {
      const outcomes = new Map<string, Outcome[]>();
      const of = rates.length * contestants.length;
      let done = 0;
      for (const rate of rates) {
        for (const contestant of contestants) {
          const outcome = await run(
            { contestant, rate, seed: sweepSeed, target },
            { stage, done, of },
          );
          done++;
          outcomes.set(contestant.name, [...(outcomes.get(contestant.name) ?? []), outcome]);
        }
      }
      return outcomes;
    },
    /** Every seed at each contestant's rate, in turn, each round in the opposite order. */
    seeds: async (
      stage: string,
      entries: readonly { readonly contestant: Contestant; readonly rate: number }[],
      target: number | null = null,
    ): Promise<Entry[]> => {
      const outcomes = new Map<Contestant, Outcome[]>();
      const of = all.length * entries.length;
      let done = 0;
      for (const [round, seed] of all.entries()) {
        for (const { contestant, rate } of round % 2 === 0 ? entries : entries.toReversed()) {
          const before = outcomes.get(contestant) ?? [];
          done++;
          // Who missed the target with one seed has missed it.
          if (target !== null && !before.every((one) => stepsTo(target, one) !== null)) continue;
          const outcome = await run(
            { contestant, rate, seed, target },
            { stage, done: done - 1, of },
          );
          outcomes.set(contestant, [...before, outcome]);
        }
      }
      return entries.map((entry) => ({ ...entry, outcomes: outcomes.get(entry.contestant) ?? [] }));
    },
  };
}

/** Contestants at the rate with the least loss of a sweep; without those that no rate trains. */
export async function atBestRates(
  all: readonly Contestant[],
  sweep: ReturnType<typeof rounds>['sweep'],
) {
  const swept = await sweep('learning rates', all);
  return rated(
    all.map((contestant) => ({
      contestant,
      rate: bestRate(swept.get(contestant.name) ?? [], ({ validationLoss }) => validationLoss),
    })),
  );
}

/** The rate with the least of a value; null when no run has it. */
function bestRate(
  outcomes: readonly Outcome[],
  valueOf: (outcome: Outcome) => number | null,
): number | null {
  let best: { rate: number; value: number } | null = null;
  for (const outcome of outcomes) {
    const value = outcome.failure === null ? valueOf(outcome) : null;
    if (value !== null && (best === null || value < best.value))
      best = { rate: outcome.rate, value };
  }
  return best?.rate ?? null;
}

/** The rate with the fewest steps to the target; where none reached it, that of the least loss. */
function fastestRate(outcomes: readonly Outcome[], target: number): number | null {
  return (
    bestRate(outcomes, (one) => stepsTo(target, one)) ??
    bestRate(outcomes, ({ validationLoss }) => validationLoss)
  );
}

function rated(all: readonly { readonly contestant: Contestant; readonly rate: number | null }[]) {
  return all.flatMap(({ contestant, rate }) => (rate === null ? [] : [{ contestant, rate }]));
}

function reaches(target: number, { outcomes }: Entry): boolean {
  return outcomes.every((one) => one.failure === null && stepsTo(target, one) !== null);
}

function targetOf(entries: readonly Entry[]): number | null {
  const tensor = entries.find(({ contestant }) => contestant.strategy === 'tensor');
  const losses = tensor?.outcomes.map(({ validationLoss }) => validationLoss) ?? [];
  if (losses.length === 0 || losses.some((loss) => loss === null)) return null;
  return roundedUp(Math.max(...losses.filter((loss) => loss !== null)));
}

/** To three digits: equal mathematics in another order must not miss it by a last bit. */
function roundedUp(loss: number): number {
  if (!(loss > 0)) return loss;
  const unit = 10 ** (Math.floor(Math.log10(loss)) - 2);
  return Number((Math.ceil(loss / unit - 1e-9) * unit).toPrecision(3));
}
