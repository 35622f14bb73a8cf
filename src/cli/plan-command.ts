import { type Strategy, STRATEGY_NAMES } from '../layers/strategies.js';
import type { XyFigure } from '../report/figure.js';
import type { Plan } from '../analysis/plan.js';
import type { SearchResult } from '../analysis/search.js';
import { SETTINGS } from '../settings/keys.js';
import { MOST } from '../settings/value-kinds.js';
import { defineCommand } from './command.js';
import {
  CONFIG_OPERAND,
  type FlagTable,
  type FlagValues,
  givenSettings,
  JSON_FLAG,
  settingFlags,
  settingsIn,
  type TypedFlags,
} from './flags.js';
import { type Console, createConsole } from './console.js';
import { EXIT, UsageError } from './failure.js';
import { wrapText } from './table.js';
import { planTable, searchLines, sweepLines } from './plan-tables.js';
import { readConfigArgument } from './config-argument.js';

const GROUP = { group: 'Plan' } as const;
const features = (about: string) =>
  ({
    kind: 'integer',
    placeholder: 'n',
    least: 1,
    most: MOST,
    about,
    initial: null,
    ...GROUP,
  }) as const;

const FLAGS = {
  machine: { ...SETTINGS.machine, about: 'what it runs on', initial: 'mi250x', ...GROUP },
  transport: {
    kind: 'choice',
    choices: ['threads', 'mpi'],
    about: 'which collectives of a calibrated machine',
    initial: 'threads',
    ...GROUP,
  },
  inputs: features('features of a replicated input; with --outputs'),
  outputs: features('targets of a replicated head; with --inputs'),
  sweep: {
    kind: 'choice',
    choices: ['blocks', 'ghosts'],
    about: 'plans over powers of two',
    initial: null,
    ...GROUP,
  },
  search: {
    kind: 'switch',
    about: 'the plan of least energy within limits, with the reasons',
    initial: false,
    ...GROUP,
  },
  mostRanks: {
    kind: 'integer',
    placeholder: 'R',
    least: 1,
    most: MOST,
    about: 'most ranks of a sweep or a search',
    initial: 4096,
    ...GROUP,
  },
  memory: {
    kind: 'number',
    placeholder: 'GB',
    least: 0,
    above: true,
    units: { '': 1e9, MB: 1e6, GB: 1e9, TB: 1e12 },
    about: 'memory per rank in a search',
    initial: null,
    fallback: "the machine's",
    ...GROUP,
  },
  stepTime: {
    kind: 'number',
    placeholder: 'seconds',
    least: 0,
    above: true,
    about: 'longest step in a search',
    initial: null,
    ...GROUP,
  },
  safeGhosts: {
    kind: 'number',
    placeholder: 'share',
    least: 0,
    above: true,
    most: 1,
    about: 'smallest K / M that is known to cost no loss; 1/16 was measured on fashion-10k',
    initial: 0.0625,
    ...GROUP,
  },
  chart: {
    kind: 'text',
    placeholder: 'file',
    about: 'draw the sweep into an SVG file',
    initial: null,
    ...GROUP,
  },
  json: { ...JSON_FLAG, ...GROUP },
} as const satisfies FlagTable;

const KEYS = [
  ...(['width', 'depth', 'widths', 'blocks', 'ghosts', 'layerGhosts'] as const),
  ...(['architecture', 'norm', 'expansion', 'gated', 'dropout', 'recompute'] as const),
  ...(['ghostPrecision', 'ghostActivation', 'compute', 'input', 'head'] as const),
  ...(['activation', 'batch', 'optimizer', 'ema', 'ranks'] as const),
];

type Options = FlagValues<typeof FLAGS>;

export const command = defineCommand({
  operands: [
    { ...CONFIG_OPERAND, about: 'YAML or JSON file of settings; those of the network are used' },
  ],
  flags: { ...settingFlags(KEYS), ...FLAGS },
  style: 'plain',
  help: (phantom) => ({
    notes: `
Nothing is run: numbers are derived from sizes and a machine file; times and joules are modelled.
Known machines: a100, h100, h200, mi250x, mi300x, at the peak of their data sheets; or the path of a
file that calibrate wrote. Features and targets are as wide as the layers, unless --inputs and
--outputs are given. Every block has a rank, unless --ranks is given.`,
    examples: [
      `${phantom} plan --width 65536 --depth 4 --blocks 64 --ghosts 64 --batch 1024`,
      `${phantom} plan --machine machines/this.json --width 2048 --blocks 2 --batch 128`,
      `${phantom} plan --width 131072 --ghosts 64 --sweep blocks --most-ranks 4096 --chart plan.svg`,
      `${phantom} plan --width 65536 --blocks 32 --sweep ghosts --json`,
      `${phantom} plan --width 65536 --search --memory 40GB --step-time 0.05`,
    ],
  }),
  run: ({ operands: [config], flags, typed }) => run(config, flags, typed),
});

async function run(
  config: string | undefined,
  options: Options,
  typed: TypedFlags,
): Promise<number> {
  const { mostRanks, safeGhosts: safeGhostShare } = options;
  const { resolveSettings } = await import('../settings/resolve.js');
  const { readMachine } = await import('../machine/machines.js');
  const { planStep } = await import('../analysis/plan.js');
  const { shapeOf } = await import('../app/plan/plan-step.js');
  const { machine: _, ...others } = settingsIn(typed);
  const flags = givenSettings(others);
  const sources = [...(await readConfigArgument(config)), flags];
  const given = Object.assign({}, ...sources.map(({ settings }) => settings)) as {
    ranks?: number;
  };
  const settings = resolveSettings(sources, null);
  const ranks = given.ranks ?? null;
  const machine = await readMachine(options.machine);
  const ends = endsOf(options);
  const { layerGhosts, widths } = settings;
  if (widths !== null && (options.search || options.sweep !== null)) {
    throw new UsageError('flags', '--widths with --sweep or --search; give --width and --depth');
  }
  if (layerGhosts !== null && (options.search || options.sweep !== null)) {
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
    if (options.json) console.out(JSON.stringify({ ...about, ...found }));
    else
      for (const line of [...machineLines(console, machine.description), '', ...lines()])
        console.out(line);
  };

  if (options.search) {
    const { searchPlans } = await import('../analysis/search.js');
    const { memory: memoryBytes, stepTime: stepS } = options;
    const limits = { memoryBytes, stepS, mostRanks, safeGhostShare };
    const result: SearchResult = searchPlans(shape, machine, limits);
    show('search', result, () => searchLines(result, limits, console.width));
    return EXIT.fine;
  }
  if (options.sweep !== null) {
    const { sweepPlans } = await import('../analysis/plan.js');
    const plans = sweepPlans(shape, machine, {
      over: options.sweep,
      mostRanks,
      transport: options.transport,
    });
    show('sweep', { over: options.sweep, plans }, () =>
      sweepLines(plans, options.sweep ?? '', console.width),
    );
    if (options.chart !== null) await drawChart(options.chart, plans, options.sweep, machine.name);
    return EXIT.fine;
  }
  if (options.chart !== null) {
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
  if (inputs === null && outputs === null) return { kind: 'sharded' } as const;
  if (inputs === null || outputs === null) {
    throw new UsageError('flags', 'give both --inputs and --outputs, or neither');
  }
  return { kind: 'replicated', inputs, outputs } as const;
}

const DECADE = 10;

async function drawChart(
  file: string,
  plans: readonly Plan[],
  over: 'blocks' | 'ghosts',
  machine: string,
): Promise<void> {
  const { chartFile } = await import('../report/chart-file.js');
  const { writeText } = await import('../machine/machines.js');
  const hasEnergy = plans.every(({ energy }) => typeof energy?.atMostJ === 'number');
  const strategies = [...new Set(plans.map(({ strategy }) => strategy))];
  const valueOf = ({ energy, time }: Plan) => (hasEnergy ? energy?.atMostJ : time?.stepS) ?? null;
  const values = plans.map(valueOf).filter((value) => value !== null);
  // What differs by decades is a line along the bottom of a linear axis.
  const isWide = Math.max(...values) > DECADE * Math.min(...values);
  const scale = isWide ? ({ scale: 'log' } as const) : { fromZero: true };
  const ghosts = [...new Set(plans.flatMap((plan) => plan.ghosts ?? []))];
  // A network without ghosts is the same beside all of them.
  const placesOf = (plan: Plan) =>
    over === 'blocks' ? [plan.blocks] : plan.ghosts === null ? ghosts : [plan.ghosts];
  const chart: XyFigure = {
    kind: 'lines',
    title: `A step on ${machine}: modelled ${hasEnergy ? 'energy of all ranks' : 'time'}`,
    x: { label: over === 'blocks' ? 'blocks P, one rank each' : 'ghosts K', scale: 'log2' },
    y: hasEnergy
      ? { label: 'energy', unit: 'J', ...scale }
      : { label: 'step time', unit: 's', ...scale },
    series: strategies.map((strategy) => ({
      label: strategy,
      modelled: true,
      points: plans
        .filter((plan) => plan.strategy === strategy)
        .flatMap((plan) => placesOf(plan).map((x) => ({ x, y: valueOf(plan) }))),
    })),
  };
  writeText(file, chartFile(chart));
}
