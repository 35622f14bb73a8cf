import { STRATEGY_NAMES } from '../layers/strategies.js';
import type { Command } from 'commander';
import type { Plan } from '../analysis/plan.js';
import type { SearchResult } from '../analysis/search.js';
import type { Strategy } from '../layers/strategies.js';
import { addSettingFlags, givenFlags, valueOption } from './setting-flags.js';
import { type Console, createConsole } from './console.js';
import { EXIT, UsageError } from './failure.js';
import { wrapText } from './table.js';
import { planTable, searchLines, sweepLines } from './plan-tables.js';

const EXAMPLES = `
Nothing is run: figures are derived from sizes and a machine file, and times and joules are
modelled. Known machines: a100, h100, h200, mi250x, mi300x, at the peak of their data sheets; or the
path of a file that "phantom calibrate" wrote. Features and targets are as wide as the layers,
unless --inputs and --outputs say otherwise. Every block has a rank, unless --ranks says otherwise.

Examples:
  $ phantom plan --width 65536 --depth 4 --blocks 64 --ghosts 64 --batch 1024
  $ phantom plan --machine machines/this.json --width 2048 --blocks 2 --batch 128
  $ phantom plan --width 131072 --ghosts 64 --sweep blocks --most-ranks 4096 --chart plan.svg
  $ phantom plan --width 65536 --blocks 32 --sweep ghosts --json
  $ phantom plan --width 65536 --search --memory 40 --step-time 0.05`;

const NETWORK = [
  'width',
  'depth',
  'blocks',
  'ghosts',
  'layerGhosts',
  'ghostPrecision',
  'activation',
] as const;
const KEYS = [...NETWORK, 'batch', 'optimizer', 'ranks'] as const;

interface Options {
  readonly machine: string;
  readonly transport: string;
  readonly inputs?: string;
  readonly outputs?: string;
  readonly sweep?: string;
  readonly search?: true;
  readonly mostRanks: string;
  readonly memory?: string;
  readonly stepTime?: string;
  readonly safeGhosts: string;
  readonly chart?: string;
  readonly json?: true;
}

export function define(command: Command, done: (exitCode: number) => void): void {
  command.argument('[config]', 'YAML or JSON file of settings; those of the network are used');
  addSettingFlags(command, KEYS);
  command
    .optionsGroup('Plan:')
    .addOption(valueOption('--machine <name|file>', 'what it runs on').default('mi250x'))
    .addOption(
      valueOption('--transport <name>', 'threads, mpi: of a calibrated machine').default('threads'),
    )
    .addOption(valueOption('--inputs <F>', 'features of a replicated input; with --outputs'))
    .addOption(valueOption('--outputs <T>', 'targets of a replicated head; with --inputs'))
    .addOption(valueOption('--sweep <what>', 'blocks, ghosts: plans over powers of two'))
    .option('--search', 'the plan of least energy within limits, with the reasons')
    .addOption(valueOption('--most-ranks <R>', 'of a sweep or a search').default('4096'))
    .addOption(valueOption('--memory <GB>', "of a rank in a search (default: the machine's)"))
    .addOption(valueOption('--step-time <s>', 'longest step in a search'))
    .addOption(
      valueOption(
        '--safe-ghosts <share>',
        'smallest K / M that costs no loss, as far as you know; on fashion-10k it was 1/16',
      ).default('0.0625'),
    )
    .addOption(valueOption('--chart <file>', 'an SVG of the sweep'))
    .option('--json', 'one object on stdout, and nothing else')
    .optionsGroup('Options:')
    .addHelpText('after', EXAMPLES)
    .action(async (config: string | undefined) => {
      done(await run(command, config, command.opts<Options>()));
    });
}

async function run(
  command: Command,
  config: string | undefined,
  options: Options,
): Promise<number> {
  const mostRanks = numberOf('--most-ranks', options.mostRanks);
  const safeGhostShare = numberOf('--safe-ghosts', options.safeGhosts);
  if (safeGhostShare > 1) {
    throw new UsageError('flags', `--safe-ghosts is ${safeGhostShare}; needs a share of at most 1`);
  }
  const { loadConfigFile, readFlags } = await import('../settings/load.js');
  const { resolveSettings } = await import('../settings/resolve.js');
  const { readMachine } = await import('../machine/machines.js');
  const { planStep } = await import('../analysis/plan.js');
  const { shapeOf } = await import('../app/plan/plan-step.js');
  const flags = readFlags(givenFlags(command));
  const sources = [...(config === undefined ? [] : [loadConfigFile(config)]), flags];
  const given = Object.assign({}, ...sources.map(({ settings }) => settings)) as {
    ranks?: number;
  };
  const settings = resolveSettings(sources, null);
  const ranks = given.ranks ?? null;
  const machine = await readMachine(options.machine);
  const ends = endsOf(options);
  const { layerGhosts } = settings;
  if (layerGhosts !== null && (options.search === true || options.sweep !== undefined)) {
    throw new UsageError(
      'flags',
      '--layer-ghosts with --sweep or --search, which set K themselves',
    );
  }
  const shapes = (strategy: Strategy) => shapeOf(settings, { strategy, ranks, ends });
  const shape = shapes('phantom');
  const console = createConsole();
  const show = (kind: string, found: object, lines: () => string[]) => {
    const about = { type: 'plan', kind, machine: machine.name };
    if (options.json === true) console.out(JSON.stringify({ ...about, ...found }));
    else
      for (const line of [...machineLines(console, machine.description), '', ...lines()])
        console.out(line);
  };

  if (options.search === true) {
    const { searchPlans } = await import('../analysis/search.js');
    const memoryBytes =
      options.memory === undefined ? null : 1e9 * numberOf('--memory', options.memory);
    const stepS = options.stepTime === undefined ? null : numberOf('--step-time', options.stepTime);
    const limits = { memoryBytes, stepS, mostRanks, safeGhostShare };
    const result: SearchResult = searchPlans(shape, machine, limits);
    show('search', result, () => searchLines(result, limits, console.width));
    return EXIT.fine;
  }
  if (options.sweep !== undefined) {
    const { sweepPlans } = await import('../analysis/plan.js');
    if (options.sweep !== 'blocks' && options.sweep !== 'ghosts') {
      throw new UsageError('flags', `--sweep is ${options.sweep}; it is one of blocks, ghosts`);
    }
    const plans = sweepPlans(shape, machine, {
      over: options.sweep,
      mostRanks,
      transport: options.transport,
    });
    show('sweep', { over: options.sweep, plans }, () =>
      sweepLines(plans, options.sweep ?? '', console.width),
    );
    if (options.chart !== undefined)
      await drawChart(options.chart, plans, options.sweep, machine.name);
    return EXIT.fine;
  }
  if (options.chart !== undefined) {
    throw new UsageError('flags', '--chart without --sweep; a chart shows a sweep');
  }
  const plans: Plan[] = STRATEGY_NAMES.map((strategy) =>
    planStep(shapes(strategy), machine, options.transport),
  );
  show('step', { plans }, () => planTable(plans, console.width));
  return EXIT.fine;
}

function machineLines(console: Console, description: string): string[] {
  return wrapText(description, console.width).map((line) => console.style('bold', line));
}

function endsOf({ inputs, outputs }: Options) {
  if (inputs === undefined && outputs === undefined) return { kind: 'sharded' } as const;
  if (inputs === undefined || outputs === undefined) {
    throw new UsageError('flags', '--inputs without --outputs; give both or neither');
  }
  const integer = (flag: string, text: string) => {
    const value = numberOf(flag, text);
    if (Number.isSafeInteger(value)) return value;
    throw new UsageError('flags', `${flag} is ${text}; needs an integer of at least 1`);
  };
  return {
    kind: 'replicated',
    inputs: integer('--inputs', inputs),
    outputs: integer('--outputs', outputs),
  } as const;
}

function numberOf(flag: string, text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value;
  throw new UsageError('flags', `${flag} is ${text}; needs a number of more than 0`);
}

async function drawChart(
  file: string,
  plans: readonly Plan[],
  over: 'blocks' | 'ghosts',
  machine: string,
): Promise<void> {
  const { chartFile, lineChart } = await import('../report/charts.js');
  const { writeText } = await import('../machine/machines.js');
  const hasEnergy = plans.every(({ energy }) => typeof energy?.atMostJ === 'number');
  const strategies = [...new Set(plans.map(({ strategy }) => strategy))];
  const chart = lineChart({
    title: `A step on ${machine}: modelled ${hasEnergy ? 'energy of all ranks' : 'time'}`,
    x: { label: over === 'blocks' ? 'blocks P, one rank each' : 'ghosts K', scale: 'log2' },
    y: hasEnergy
      ? { label: 'energy', unit: 'J', fromZero: true }
      : { label: 'step time', unit: 's', fromZero: true },
    series: strategies.map((strategy) => ({
      label: strategy,
      modelled: true,
      points: plans
        .filter((plan) => plan.strategy === strategy)
        .map((plan) => ({
          x: over === 'blocks' ? plan.blocks : (plan.ghosts ?? 0),
          y: (hasEnergy ? plan.energy?.atMostJ : plan.time?.stepS) ?? null,
        })),
    })),
  });
  writeText(file, chartFile(chart));
}
