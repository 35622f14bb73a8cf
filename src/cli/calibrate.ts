import type { Command } from 'commander';
import type { Machine, MeasuredCollectives, PowerModel } from '../machine/machine.js';
import type { Launcher } from '../communicators/launcher.js';
import type { Calibration } from '../app/calibrate/calibrate.js';
import type { EngineChoice } from '../engines/engine-list.js';
import { commandLine } from '../base/invocation.js';
import { createRankConsole, type Console } from './console.js';
import { EXIT, UsageError } from './failure.js';
import { formatDuration, formatSi, plural } from '../base/format.js';
import { valueOption } from './setting-flags.js';
import { formatPairs, formatTable } from './table.js';

const EXAMPLES = `
Measures kernels on all cores at once, collectives between 1, 2, 4, … worker threads, and a few whole
steps, in under a minute; leave the machine alone meanwhile. Where an energy counter can be read, it
also measures the watts of an idle and of a busy core, and the error of modelled energy with them.
Under an MPI launcher it measures the collectives of the job and adds them to the file.

Examples:
  $ phantom calibrate
  $ phantom calibrate --engine wasm --out machines/laptop.json
  $ mpirun -n 2 phantom calibrate --out machines/this.json
  $ phantom calibrate --busy-watts 12 --waiting-watts 9
  $ phantom plan --machine machines/this.json`;

interface Options {
  readonly out: string;
  readonly engine: string;
  readonly relaxedSimd?: true;
  readonly busyWatts?: string;
  readonly waitingWatts?: string;
  readonly json?: true;
}

export function define(
  command: Command,
  done: (exitCode: number) => void,
  launcher: Launcher | null,
): void {
  command
    .addOption(valueOption('--out <file>', 'machine file to write').default('machines/this.json'))
    .addOption(valueOption('--engine <name>', 'auto, blas, wasm').default('auto'))
    .option('--relaxed-simd', 'fused multiply-add in the WebAssembly kernels')
    .addOption(valueOption('--busy-watts <W>', 'of a core that computes, where you know it'))
    .addOption(valueOption('--waiting-watts <W>', 'of a core that waits for others'))
    .option('--json', 'the machine as one object on stdout, and nothing else')
    .addHelpText('after', EXAMPLES)
    .action(async () => {
      done(await run(command.opts<Options>(), launcher));
    });
}

async function run(options: Options, launcher: Launcher | null): Promise<number> {
  const console = createRankConsole(launcher);
  const { engine } = options;
  if (engine !== 'auto' && engine !== 'blas' && engine !== 'wasm') {
    throw new UsageError('flags', `--engine is ${engine}; it is one of auto, blas, wasm`);
  }
  const { writeMachine } = await import('../machine/machines.js');
  const calibration =
    launcher === null
      ? await measureHere(options, engine, console)
      : await measureJob(options, launcher, console);
  if (calibration === null) return EXIT.fine;
  const { machine, meterCheck } = calibration;
  writeMachine(options.out, machine);
  const modelError = meterCheck?.error ?? null;
  if (options.json === true)
    console.out(JSON.stringify({ type: 'machine', ...machine, modelError }));
  else
    for (const line of render(machine, modelError, options.out, console.width)) console.out(line);
  return EXIT.fine;
}

async function measureHere(
  options: Options,
  engine: EngineChoice,
  console: Console,
): Promise<Calibration> {
  const { calibrate } = await import('../app/calibrate/calibrate.js');
  const name = nameOf(options.out);
  const power = powerOf(options);
  const relaxedSimd = options.relaxedSimd === true;
  return calibrate({ name, engine, relaxedSimd, power, onProgress: progress(console) });
}

/** Only what an MPI job adds; null: not on this rank. */
async function measureJob(
  options: Options,
  launcher: Launcher,
  console: Console,
): Promise<Calibration | null> {
  const { readMachine } = await import('../machine/machines.js');
  const { beforeRanks } = await import('../app/ranks/ranks.js');
  const machine = await beforeRanks(launcher, () => readMachine(options.out));
  const { calibrateMpi } = await import('../app/calibrate/calibrate.js');
  const measured = await calibrateMpi(launcher, progress(console));
  if (measured === null || launcher.rank > 0) return null;
  const others = machine.collectives.filter(
    (one) => one.transport !== measured.transport || one.ranks !== measured.ranks,
  );
  const collectives = [...others, measured];
  return { machine: { ...machine, collectives }, meterCheck: null };
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
  const given = (flag: string, text: string | undefined) => {
    if (text === undefined) return null;
    const value = Number(text);
    if (text.trim() !== '' && Number.isFinite(value) && value >= 0) {
      return { value, source: `given by ${flag}` };
    }
    throw new UsageError('flags', `${flag} is ${text}; needs a number of at least 0`);
  };
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
  const { products } = compute;
  const rate = (form: 'NN' | 'NT' | 'TN', weights: number, batch: number) => {
    const at = (axis: readonly number[], size: number) => axis.indexOf(size);
    const i = at(products.first, weights) * products.second.length + at(products.second, weights);
    const seconds = products.seconds[form][i * products.batch.length + at(products.batch, batch)];
    return formatSi((2 * weights ** 2 * batch) / (seconds ?? Number.NaN), 'FLOP/s');
  };
  const sizes = [64, 256, 1024, 2048].flatMap((weights) =>
    [32, 128].map((batch) => [
      `${weights} × ${weights}, batch ${batch}`,
      ...(['NN', 'TN', 'NT'] as const).map((form) => rate(form, weights, batch)),
    ]),
  );
  const latency = ({ allReduce }: MeasuredCollectives) => {
    const [least] = allReduce;
    const most = allReduce.at(-1);
    const whole = (time = least) =>
      time === undefined ? Number.NaN : time.startS + time.transferS + time.finishS;
    const bandwidth = formatSi((most?.bytes ?? 0) / whole(most), 'B/s');
    return `${formatDuration(whole())}, ${bandwidth}`;
  };
  const { factor, perOperationS } = compute.inStep;
  return [
    `${machine.description}: ${compute.engine}`,
    '',
    ...formatTable(['per core, all busy', 'forward', 'to inputs', 'to weights'], sizes, width),
    '',
    ...formatPairs(
      [
        ...collectives.map((one): [string, string] => [
          `all-reduce, ${groupText(one)}`,
          latency(one),
        ]),
        [
          'in a step',
          `work takes ${factor.toFixed(2)} times as long as alone, plus ` +
            `${formatDuration(perOperationS)} per operation`,
        ],
        [
          'power',
          power.busyW === null
            ? 'unknown: no energy counter and no --busy-watts, so plans have no energy'
            : `${power.busyW.value} W per busy core, ${power.waitingW?.value ?? 'unknown'} W per idle core ` +
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
