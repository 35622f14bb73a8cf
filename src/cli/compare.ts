import { rmSync } from 'node:fs';
import path from 'node:path';
import { type Command, Option } from 'commander';
import type { Launcher } from '../communicators/launcher.js';
import type { Job, Progress } from '../app/compare/study.js';
import { OutcomeCollector, type Outcome } from '../app/compare/outcome.js';
import type { Table } from '../app/compare/tables.js';
import type { GivenSettings } from '../settings/given.js';
import type { TrainingSettings } from '../settings/settings.js';
import { TrainingError } from '../base/errors.js';
import type { EndEvent } from '../training/events.js';
import { type Console, createConsole } from './console.js';
import { EXIT, UsageError } from './failure.js';
import { formatDuration, formatLoss, plural } from '../base/format.js';
import { addSettingFlags, givenFlags, valueOption } from './setting-flags.js';
import { stopOnSignals, type Stop } from './stop.js';
import { fitLine, formatTable, wrapText } from './table.js';

const ABOUT = `
Trains tensor, tensor-paired and phantom networks (each K of --try-ghosts) on the same data: at the
same width, at the same number of parameters, and to the validation loss that tensor ends with
(there with up to --patience times the steps). Every network gets the same learning rates, tried with
a seed of their own, and the best is kept; runs of a seed follow one another.
Then it searches for the smallest phantom network (width, P, K) that reaches that loss, on the fewest
ranks on which none holds more parameters than a rank of tensor, and tries as a control whether a
tensor network of that width does too. A config file may be one of phantom train: its strategy,
ghosts, lr and seed are left to the comparison.

A run that is done is kept in compare.json: the same command goes on where it was interrupted.

Examples:
  $ phantom compare --steps 200 --seeds 2 --rates 1e-3,3e-3 --search 0
  $ phantom compare --data fashion-10k --width 512 --blocks 4 --try-ghosts 4,16,64 --epochs 5
  $ phantom compare examples/fashion-phantom.yaml --out runs/compare-fashion --json`;

/** Settings that the comparison sets itself, and what says them instead. */
const OWN: Readonly<Record<string, string>> = {
  strategy: 'all strategies take part',
  ghosts: 'use --try-ghosts',
  layerGhosts: 'use --try-ghosts',
  lr: 'use --rates',
  seed: 'use --seeds',
  targetLoss: 'the loss is that of tensor',
  replicas: 'runs have one replica',
};

interface Options {
  readonly rates: readonly number[];
  readonly seeds: number;
  readonly ghosts: readonly number[] | null;
  readonly search: number;
  readonly patience: number;
  readonly json: boolean;
}

export function define(
  command: Command,
  done: (exitCode: number) => void,
  launcher: Launcher | null,
): void {
  command.argument('[config]', 'YAML or JSON file of settings');
  addSettingFlags(command);
  for (const option of command.options) if (OWN[option.attributeName()]) option.hideHelp();
  command
    .optionsGroup('Comparison:')
    .addOption(valueOption('--rates <list>', 'learning rates tried (default: 3e-4,1e-3,3e-3)'))
    .addOption(valueOption('--seeds <n>', 'runs of each network at its best rate (default: 3)'))
    .addOption(valueOption('--try-ghosts <list>', 'K of the phantom networks (default: M/16,M/4)'))
    .addOption(valueOption('--search <n>', 'smaller networks tried at most (default: 6; 0: none)'))
    .addOption(
      valueOption(
        '--patience <times>',
        'steps of a run to a loss, in those of the others (default: 2)',
      ),
    )
    .addOption(new Option('--json', 'one object per run and the tables on stdout, nothing else'))
    .addHelpText('after', ABOUT)
    .action(async (config: string | undefined) => {
      if (launcher !== null) {
        throw new UsageError(
          'compare',
          `runs on worker threads; start it without ${launcher.command}`,
        );
      }
      const typed = givenFlags(command);
      for (const [key, remedy] of Object.entries(OWN)) {
        if (typed[key] !== undefined)
          throw new UsageError('flags', `--${key} with compare; ${remedy}`);
      }
      const options = readOptions(command.opts());
      done(await compare(await readSettings(config, typed, options), options));
    });
}

function readOptions(options: Record<string, string | true | undefined>): Options {
  const list = (flag: string, text: string, isGood: (value: number) => boolean, rule: string) =>
    text.split(',').map((item) => {
      const value = item.trim() === '' ? Number.NaN : Number(item);
      if (isGood(value)) return value;
      throw new UsageError('flags', `${flag} has ${JSON.stringify(item)}; needs ${rule}`);
    });
  const isCount = (least: number) => (value: number) =>
    Number.isInteger(value) && value >= least && value <= 1000;
  const text = (key: string) => (typeof options[key] === 'string' ? options[key] : undefined);
  const one = (flag: string, value: string, least: number) =>
    list(flag, value, isCount(least), `an integer from ${least} to 1000`)[0] ?? least;
  const ghosts = text('tryGhosts');
  return {
    rates: [
      ...new Set(
        list(
          '--rates',
          text('rates') ?? '3e-4,1e-3,3e-3',
          (rate) => rate > 0 && rate < 1e3,
          'rates above 0, as 3e-4,1e-3',
        ),
      ),
    ],
    seeds: one('--seeds', text('seeds') ?? '3', 1),
    ghosts:
      ghosts === undefined
        ? null
        : list(
            '--try-ghosts',
            ghosts,
            (k) => Number.isInteger(k) && k >= 1,
            'integers of at least 1, as 4,16',
          ),
    search: one('--search', text('search') ?? '6', 0),
    patience:
      list(
        '--patience',
        text('patience') ?? '2',
        (times) => times >= 1 && times <= 100,
        'a number from 1 to 100',
      )[0] ?? 2,
    json: options['json'] === true,
  };
}

async function readSettings(
  config: string | undefined,
  typed: Record<string, string | boolean>,
  { seeds: _seeds }: Options,
): Promise<TrainingSettings> {
  const { loadConfigFile, readFlags } = await import('../settings/load.js');
  const { resolveSettings } = await import('../settings/resolve.js');
  const given = [...(config === undefined ? [] : [loadConfigFile(config)]), readFlags(typed)].map(
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
  const { rates, search: searched, patience } = options;
  const budget = { rates, seeds, sweepSeed: options.seeds, searched, patience };
  const session = await openComparison(settings, budget, options.ghosts);
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
    await study(session.baseline, budget, run, (findings) => session.found(findings));
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
    console.out(JSON.stringify({ type: 'comparison', folder, tables, findings: session.findings }));
  } else {
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
  return collector.outcome(key, end, null);
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

function tableLines(console: Console, { title, remark, head, rows }: Table): string[] {
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
