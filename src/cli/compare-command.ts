import { DIVERGENCE_ADVICE } from '../training/divergence.js';
import { rmSync } from 'node:fs';
import path from 'node:path';
import type { Grid } from '../app/compare/contestants.js';
import type { Job, Progress } from '../app/compare/study.js';
import { OutcomeCollector, type Outcome } from '../app/compare/outcome.js';
import type { TextTable } from '../report/page-data.js';
import type { GivenSettings } from '../settings/given.js';
import type { TrainingSettings } from '../settings/settings.js';
import { TrainingError } from '../base/errors.js';
import type { EndEvent } from '../training/events.js';
import { flagOf } from '../settings/keys.js';
import { defineCommand } from './command.js';
import { FLAGS, type Options, OWN } from './compare-flags.js';
import { type Console, createConsole } from './console.js';
import { EXIT, UsageError } from './failure.js';
import { formatDuration, formatLoss, plural } from '../base/format.js';
import {
  CONFIG_OPERAND,
  givenSettings,
  hiddenFlags,
  settingFlags,
  settingsIn,
  type TypedFlags,
} from './flags.js';
import { stopOnSignals, type Stop } from './stop.js';
import { fitLine, formatTable, wrapText } from './table.js';
import { readConfigArgument } from './config-argument.js';

export const command = defineCommand({
  operands: [CONFIG_OPERAND],
  flags: { ...settingFlags(), ...hiddenFlags(Object.keys(OWN)), ...FLAGS },
  style: 'plain',
  help: (phantom) => ({
    notes: `
Trains tensor, tensor-paired and phantom networks (each K of --try-ghosts) on the same data: at the
same width, at the same number of parameters, and to the validation loss that tensor ends with, in
up to --patience times the steps. Every network tries the same learning rates with a seed of their
own and keeps the best; the runs of a seed follow one another.
Then it searches for the smallest phantom network (width, P, K) that reaches that loss, on the fewest
ranks on which none holds more parameters than a rank of tensor, and tries as a control whether a
tensor network of that width does too. A config file of train can be used: its strategy, ghosts, lr
and seed are ignored.

With --frontier it trains networks of every strategy in all sizes of --try-widths, --try-depths and
--try-ghosts, and dense ones of one block as controls, each at its own best rate with every seed. At
levels of the validation loss it says what share of the cheapest tensor network's parameters, FLOPs,
bytes, time and energy the cheapest phantom network takes.

Finished runs are kept in compare.json: the same command continues where it was interrupted.`,
    examples: [
      `${phantom} compare --steps 200 --seeds 2 --rates 1e-3,3e-3 --search 0`,
      `${phantom} compare --data fashion-10k --width 512 --blocks 4 --try-ghosts 4,16,64 --epochs 5`,
      `${phantom} compare --frontier --width 512 --try-widths 64,128,256,512 --try-depths 1,2 --epochs 5`,
      `${phantom} compare examples/fashion-phantom.yaml --out runs/compare-fashion --json`,
    ],
  }),
  async run({ operands: [config], flags, typed, launcher }) {
    if (launcher !== null) {
      const remedy = `start it without ${launcher.command}`;
      throw new UsageError('compare', `runs on worker threads; ${remedy}`);
    }
    const given = settingsIn(typed);
    for (const [key, remedy] of Object.entries(OWN)) {
      if (given[key] !== undefined) {
        throw new UsageError('flags', `${flagOf(key)} with compare; ${remedy}`);
      }
    }
    checkFrontier(flags, typed);
    return compare(await readSettings(config, given), flags);
  },
});

/** Flags that would have no effect. */
function checkFrontier({ frontier }: Options, typed: TypedFlags): void {
  const without = frontier ? ['search', 'patience'] : ['tryWidths', 'tryDepths'];
  const given = without.find((key) => typed[key] !== undefined);
  if (given === undefined) return;
  const remedy = frontier ? 'leave it out' : 'give --frontier too';
  throw new UsageError('flags', `${flagOf(given)} has no effect here; ${remedy}`);
}

/** Sizes of a frontier's networks: each width, and with it the numbers of ghosts, once. */
function gridOf({ width, depth, blocks }: TrainingSettings, options: Options): Grid | null {
  if (!options.frontier) return null;
  const parts = [8, 4, 2, 1].map((part) => blocks * Math.max(1, Math.round(width / part / blocks)));
  const ascending = (values: readonly number[]) => [...new Set(values)].toSorted((a, b) => a - b);
  return {
    widths: ascending(options.tryWidths ?? parts),
    depths: ascending(options.tryDepths ?? [depth]),
  };
}

async function readSettings(
  config: string | undefined,
  typed: TypedFlags,
): Promise<TrainingSettings> {
  const { resolveSettings } = await import('../settings/resolve.js');
  const given = [...(await readConfigArgument(config)), givenSettings(typed)].map(
    ({ where, settings }) => {
      const kept = Object.entries(settings).filter(([key]) => !(key in OWN));
      return { where, settings: Object.fromEntries(kept) };
    },
  );
  const fixed: GivenSettings = { strategy: 'tensor', epochs: 5 };
  const settings = resolveSettings([{ where: 'compare', settings: fixed }, ...given]);
  return { ...settings, out: settings.out ?? newFolder() };
}

function newFolder(): string {
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d+Z/g, '');
  return path.join('runs', `compare-${time}`);
}

/** Ends a study that was asked to stop. */
class Interrupted extends Error {}

async function compare(settings: TrainingSettings, options: Options): Promise<number> {
  const { openComparison } = await import('../app/compare/comparison.js');
  const { study } = await import('../app/compare/study.js');
  const console = createConsole();
  const seeds = Array.from({ length: options.seeds }, (_, i) => i);
  const { search: searched, patience } = options;
  const rates = [...new Set(options.rates)];
  const budget = { rates, seeds, sweepSeed: options.seeds, searched, patience };
  const grid = gridOf(settings, options);
  const session = await openComparison(settings, budget, options.tryGhosts, grid);
  const stop = stopOnSignals((line) => console.err(line));
  const teller = createTeller(console, options.json);
  const { runs } = session;
  if (runs.length > 0 && !options.json) {
    console.out(
      `${session.folder}: ${plural(runs.length, 'run')} found, which will not be repeated`,
    );
  }
  const run = async (job: Job, about: Progress): Promise<Outcome> => {
    const known = session.find(job);
    if (known !== undefined) return known;
    const outcome = await runJob(session.settingsOf(job), job, stop, (step, of) =>
      teller.live(job, about, step, of),
    );
    session.add(outcome);
    teller.done(job, about, outcome);
    return outcome;
  };
  try {
    if (grid === null) {
      await study(session.baseline, budget, run, (findings) => session.found(findings));
    } else {
      const { frontierStudy } = await import('../app/compare/frontier.js');
      const networks = { baseline: session.baseline, grid, batch: settings.batch };
      session.frontierFound(await frontierStudy(networks, budget, run));
    }
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    session.interrupted();
    console.live('');
    if (!options.json) {
      console.out(`Interrupted; ${plural(session.runs.length, 'run')} kept in ${session.folder}.`);
      console.out('The same command with this --out goes on from there.');
    }
    return stop.exitCode() ?? EXIT.fine;
  } finally {
    console.live('');
    stop.dispose();
  }
  if (options.json) {
    const { folder, tables } = session;
    const { findings, verdict } = session;
    console.out(JSON.stringify({ type: 'comparison', folder, verdict, tables, findings }));
  } else {
    console.out('');
    for (const line of wrapText(session.verdict, console.width)) {
      console.out(console.style('bold', line));
    }
    for (const line of session.tables.flatMap((table) => tableLines(console, table)))
      console.out(line);
    console.out('');
    console.out(`wrote compare.json and report.html in ${session.folder}`);
  }
  return EXIT.fine;
}

async function runJob(
  settings: TrainingSettings,
  job: Job,
  stop: Stop,
  onStep: (step: number, of: number) => void,
): Promise<Outcome> {
  const { trainOnRanks } = await import('../app/train/train-on-ranks.js');
  const collector = new OutcomeCollector();
  const { rate, seed, target } = job;
  const key = { contestant: job.contestant.name, rate, seed, target };
  let steps = 0;
  let end: EndEvent;
  if (stop.signal.aborted) throw new Interrupted();
  const folder = settings.out ?? '';
  // Of a run that was cut off; it is in no record.
  const { refuseLocked } = await import('../checkpoints/run-lock.js');
  refuseLocked(folder);
  rmSync(folder, { recursive: true, force: true });
  try {
    end = await trainOnRanks(
      settings,
      {
        onEvent(event) {
          collector.onEvent(event);
          if (event.type === 'start') steps = event.steps;
          if (event.type === 'step') onStep(event.step, steps);
        },
        stop: stop.signal,
      },
      null,
    );
  } catch (error) {
    // A rate that is too high ends its run; the others tell more.
    if (!(error instanceof TrainingError)) throw error;
    return collector.outcome(key, null, error.message);
  }
  if (end.reason === 'interrupted') throw new Interrupted();
  // Weights of so many runs fill a disk; their numbers are kept.
  rmSync(path.join(folder, 'checkpoints'), { recursive: true, force: true });
  return end.reason === 'diverged'
    ? collector.outcome(key, null, DIVERGENCE_ADVICE)
    : collector.outcome(key, end, null);
}

function createTeller(console: Console, json: boolean) {
  const startedS = performance.now() / 1000;
  const durations: number[] = [];
  const left = ({ done, of }: Progress) => {
    const mean = durations.reduce((sum, each) => sum + each, 0) / durations.length;
    return durations.length === 0
      ? ''
      : ` · ${formatDuration(mean * (of - done))} left in this part`;
  };
  const name = ({ contestant, rate, seed }: Job) => `${contestant.name} rate ${rate} seed ${seed}`;
  return {
    live(job: Job, about: Progress, step: number, of: number) {
      if (json) return;
      const place = `${about.stage} ${about.done + 1}/${about.of}`;
      const text = `${place} · ${name(job)} · step ${step}/${of}${left(about)}`;
      console.live(fitLine(text, console.columns));
    },
    done(job: Job, about: Progress, outcome: Outcome) {
      durations.push(outcome.elapsedS);
      if (json) {
        console.out(JSON.stringify({ type: 'run', stage: about.stage, ...outcome }));
        return;
      }
      const result =
        outcome.failure ??
        `validation loss ${formatLoss(outcome.validationLoss)}, ${formatDuration(outcome.stepTimeS ?? 0)} per step`;
      const elapsed = formatDuration(performance.now() / 1000 - startedS);
      console.out(
        `${about.stage} ${about.done + 1}/${about.of}  ${name(job)}  ${result}  (${elapsed}${left({ ...about, done: about.done + 1 })})`,
      );
    },
  };
}

function tableLines(console: Console, { title, remark, head, rows }: TextTable): string[] {
  const { width } = console;
  return [
    '',
    ...wrapText(title, width).map((line) => console.style('bold', line)),
    '',
    ...formatTable(head, rows, width),
    '',
    ...wrapText(remark, Math.min(width, 100)),
  ];
}
