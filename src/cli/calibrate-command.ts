import type {
  Machine,
  MeasuredCollectives,
  MeasuredTimes,
  PowerModel,
  ProductForm,
  ProductTable,
} from '../machine/machine.js';
import { existsSync } from 'node:fs';
import { ConfigError } from '../base/errors.js';
import type { Launcher } from '../communicators/launcher.js';
import type { Calibration } from '../app/calibrate/calibrate.js';
import { commandLine } from '../base/invocation.js';
import { SETTINGS } from '../settings/keys.js';
import { defineCommand } from './command.js';
import { createRankConsole, type Console, warningsTo } from './console.js';
import { EXIT, UsageError } from './failure.js';
import { formatDuration, formatSi, plural } from '../base/format.js';
import { flagLike, type FlagTable, type FlagValues, JSON_FLAG } from './flags.js';
import { formatPairs, formatTable } from './table.js';

const watts = (about: string) =>
  ({ kind: 'number', placeholder: 'W', least: 0, about, initial: null }) as const;

const FLAGS = {
  out: {
    kind: 'text',
    placeholder: 'file',
    about: 'machine file to write',
    initial: 'machines/this.json',
  },
  engine: flagLike(SETTINGS.engine, {}),
  compute: {
    kind: 'choice',
    choices: ['float32', 'bfloat16', 'all'],
    about:
      'formats of products that are measured; bfloat16 adds its times to a file of the same engine and ' +
      'ranks, all measures both, and float32 leaves out those in bfloat16 that a file had',
    initial: 'float32',
  },
  bind: flagLike(SETTINGS.bind, {}),
  relaxedSimd: flagLike(SETTINGS.relaxedSimd, {}),
  busyWatts: watts('power of a core that computes, where you know it'),
  waitingWatts: watts('power of a core that waits for others'),
  json: JSON_FLAG,
} as const satisfies FlagTable;

type Options = FlagValues<typeof FLAGS>;

export const command = defineCommand({
  operands: [],
  flags: FLAGS,
  style: 'plain',
  help: (phantom) => ({
    notes: `
Measures kernels on all cores at once, collectives between 1, 2, 4, … worker threads, and a few whole
steps, in about a minute for each format; leave the machine alone meanwhile. Where an energy counter can be read, it
also measures the watts of an idle and of a busy core, and the error of modelled energy with them.
With --engine cuda all of it is of the machine's devices and of the copies between them, takes longer,
and leaves out sizes that take too long, which it says.
Under an MPI launcher it measures the collectives of the job and adds them to the file.`,
    examples: [
      `${phantom} calibrate`,
      `${phantom} calibrate --compute all`,
      `${phantom} calibrate --engine wasm --out machines/laptop.json`,
      `mpirun -n 2 ${phantom} calibrate --out machines/this.json`,
      `${phantom} calibrate --busy-watts 12 --waiting-watts 9`,
      `${phantom} plan --machine machines/this.json`,
    ],
  }),
  run: ({ flags, launcher }) => run(flags, launcher),
});

async function run(options: Options, launcher: Launcher | null): Promise<number> {
  const console = createRankConsole(launcher);
  const { writeMachine } = await import('../machine/machines.js');
  const calibration =
    launcher === null
      ? await measureHere(options, console)
      : await measureJob(options, launcher, console);
  console.live('');
  if (calibration === null) return EXIT.fine;
  const { machine, meterCheck } = calibration;
  writeMachine(options.out, machine);
  const modelError = meterCheck?.error ?? null;
  if (options.json) console.out(JSON.stringify({ type: 'machine', ...machine, modelError }));
  else
    for (const line of render(machine, modelError, options.out, console.width)) console.out(line);
  return EXIT.fine;
}

async function measureHere(options: Options, console: Console): Promise<Calibration> {
  const { calibrate, calibrateBfloat16 } = await import('../app/calibrate/calibrate.js');
  const { readMachine } = await import('../machine/machines.js');
  const { engine, relaxedSimd, bind, compute } = options;
  const [name, power] = [nameOf(options.out), powerOf(options)];
  const measured = { name, engine, relaxedSimd, bind, power, ...telling(console) };
  if (compute === 'bfloat16') {
    if (power.busyW ?? power.waitingW) {
      throw new UsageError('flags', 'watts with --compute bfloat16, which keeps those of the file');
    }
    if (!existsSync(options.out)) {
      const remedy = '--compute all measures both formats';
      throw new ConfigError('calibrate', `no file ${options.out} to add bfloat16 to; ${remedy}`);
    }
    const machine = await calibrateBfloat16(await readMachine(options.out), measured);
    return { machine, meterCheck: null };
  }
  const calibration = await calibrate(measured);
  if (compute === 'float32') return calibration;
  return { ...calibration, machine: await calibrateBfloat16(calibration.machine, measured) };
}

/** Only what an MPI job adds; null: not on this rank. */
async function measureJob(
  options: Options,
  launcher: Launcher,
  console: Console,
): Promise<Calibration | null> {
  if (options.compute !== 'float32') {
    const what = `--compute ${options.compute} under an MPI launcher, which measures collectives alone`;
    throw new UsageError('flags', what);
  }
  const { readMachine } = await import('../machine/machines.js');
  const { beforeRanks } = await import('../app/ranks/ranks.js');
  const machine = await beforeRanks(launcher, () => readMachine(options.out));
  const { calibrateMpi } = await import('../app/calibrate/calibrate.js');
  const measured = await calibrateMpi(launcher, { engine: options.engine, ...telling(console) });
  if (measured === null || launcher.rank > 0) return null;
  const others = machine.collectives.filter(
    (one) => one.transport !== measured.transport || one.ranks !== measured.ranks,
  );
  const collectives = [...others, measured];
  return { machine: { ...machine, collectives }, meterCheck: null };
}

function telling(console: Console) {
  return { onProgress: progress(console), onWarning: warningsTo(console) };
}

/** What is done, on a live line where somebody watches, else a line for each part. */
function progress(console: Console) {
  let last = '';
  return ({ what, share }: { what: string; share: number }) => {
    if (console.watched) console.live(`measuring ${what} ${Math.round(100 * share)}%`);
    else if (what !== last) console.err(`measuring ${what}`);
    last = what;
  };
}

function nameOf(file: string): string {
  return (file.split(/[\\/]/).at(-1) ?? file).replace(/\.json$/, '');
}

function powerOf({ busyWatts, waitingWatts }: Options): PowerModel {
  const given = (flag: string, value: number | null) =>
    value === null ? null : { value, source: `given by ${flag}` };
  return {
    busyW: given('--busy-watts', busyWatts),
    waitingW: given('--waiting-watts', waitingWatts),
    sharedW: null,
    energyPerByteJ: null,
  };
}

function render(
  machine: Machine,
  modelError: number | null,
  file: string,
  width: number,
): string[] {
  const { compute, collectives, power } = machine;
  if (compute.kind === 'peak') return [`wrote ${file}`];
  const timed: [string, MeasuredTimes][] = [
    ['', compute],
    ...(compute.bfloat16
      ? [['bfloat16, ', compute.bfloat16] satisfies [string, MeasuredTimes]]
      : []),
  ];
  const latency = ({ allReduce }: MeasuredCollectives) => {
    const [least] = allReduce;
    const most = allReduce.at(-1);
    const whole = (time = least) =>
      time === undefined ? Number.NaN : time.startS + time.transferS + time.finishS;
    const bandwidth = formatSi((most?.bytes ?? 0) / whole(most), 'B/s');
    return `${formatDuration(whole())}, ${bandwidth}`;
  };
  return [
    `${machine.description}: ${compute.engine}`,
    '',
    ...formatTable(
      ['per rank, all busy', 'forward', 'to inputs', 'to weights'],
      timed.flatMap(([format, { products }]) => rateRows(format, products)),
      width,
    ),
    '',
    ...formatPairs(
      [
        ...collectives.map((one): [string, string] => [
          `all-reduce, ${groupText(one)}`,
          latency(one),
        ]),
        ...timed.map(([format, { inStep }]): [string, string] => [
          `${format}in a step`,
          `work takes ${inStep.factor.toFixed(2)} times as long as alone, plus ` +
            `${formatDuration(inStep.perOperationS)} per operation`,
        ]),
        [
          'power',
          power.busyW === null
            ? 'unknown: no energy counter and no --busy-watts, so plans have no energy'
            : `${power.busyW.value} W per busy rank, ${power.waitingW?.value ?? 'unknown'} W per idle rank ` +
              `(${power.busyW.source})`,
        ],
        ...(modelError === null
          ? []
          : [
              [
                'modelled meter',
                `${(100 * Math.abs(modelError)).toFixed(1)}% ${modelError < 0 ? 'below' : 'above'} ` +
                  'the counter, checked on other work than the watts were fitted to',
              ] satisfies [string, string],
            ]),
        ['wrote', file],
      ],
      { width },
    ),
    '',
    'Next:',
    `  ${commandLine('plan', '--machine', file)}`,
  ];
}

function groupText({ transport, ranks }: MeasuredCollectives): string {
  return transport === 'mpi' ? plural(ranks, 'process', 'processes') : plural(ranks, 'thread');
}

function rateRows(format: string, products: ProductTable): string[][] {
  const rate = (form: ProductForm, weights: number, batch: number) => {
    const at = (axis: readonly number[], size: number) => axis.indexOf(size);
    const i = at(products.first, weights) * products.second.length + at(products.second, weights);
    const seconds = products.seconds[form][i * products.batch.length + at(products.batch, batch)];
    return formatSi((2 * weights ** 2 * batch) / (seconds ?? Number.NaN), 'FLOP/s');
  };
  const known = (sizes: readonly number[], axis: readonly number[]) =>
    sizes.filter((size) => axis.includes(size));
  return known([64, 256, 1024, 2048, 4096, 16_384], products.first).flatMap((weights) =>
    known([32, 128, 2048], products.batch).map((batch) => [
      `${format}${weights} × ${weights}, batch ${batch}`,
      ...(['NN', 'TN', 'NT'] as const).map((form) => rate(form, weights, batch)),
    ]),
  );
}
