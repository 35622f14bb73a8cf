import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { constants, availableParallelism } from 'node:os';
import type { MeterChoice } from '../energy/counter-list.js';
import type { EnergyMeter, EnergyReading } from '../energy/meter.js';
import { emissionsG, JOULES_PER_KWH } from '../energy/run-energy.js';
import { SETTINGS } from '../settings/keys.js';
import { defineCommand } from './command.js';
import { createConsole, type Console } from './console.js';
import { emissionsPair, energyText } from './energy-text.js';
import { formatDuration, formatSi } from '../base/format.js';
import { flagLike } from './flags.js';
import { formatPairs } from './table.js';

const WINDOW = 'command';
/** How often the meter looks, when nobody wants a series. */
const LOOK_MS = 1000;
/** As a shell has it: there is no such command, or it cannot be run. */
const NOT_FOUND = 127;
const NOT_RUNNABLE = 126;

export const command = defineCommand({
  operands: [
    { name: 'command', about: 'what to measure, with its arguments', count: 'one or more' },
  ],
  flags: {
    meter: flagLike(SETTINGS.meter, {}),
    machine: flagLike(SETTINGS.machine, {}),
    carbonIntensity: flagLike(SETTINGS.carbonIntensity, {}),
    pue: flagLike(SETTINGS.pue, {}),
    interval: {
      kind: 'number',
      placeholder: 'seconds',
      least: 0.01,
      most: 3600,
      about: 'print the power this often',
      initial: null,
    },
    json: {
      kind: 'switch',
      about: "print JSON objects and nothing else; the command's own output goes to stderr",
      initial: false,
    },
  },
  style: 'program',
  help: (phantom) => ({
    notes: `
Everything after -- is the command. It receives signals, and its exit code is returned. Results are
written to stderr. A counter counts everything that runs on the machine at that time; where there
is none, energy is modelled from the command's CPU time.`,
    examples: [
      `${phantom} energy -- python3 train.py`,
      `${phantom} energy --meter rapl --interval 1 -- make -j8`,
      `${phantom} energy --json --carbon-intensity 56 --pue 1.1 -- ./simulate > energy.json`,
    ],
  }),
  run: ({ operands, flags: { carbonIntensity, interval, ...others } }) =>
    meterCommand(operands, {
      ...others,
      carbonIntensityGPerKWh: carbonIntensity,
      intervalS: interval,
    }),
});

interface Metering {
  readonly meter: MeterChoice;
  readonly machine: string;
  readonly carbonIntensityGPerKWh: number;
  readonly pue: number;
  readonly intervalS: number | null;
  readonly json: boolean;
}

async function meterCommand(words: readonly string[], options: Metering): Promise<number> {
  const { createMeter } = await import('../app/ranks/meters.js');
  const meter = await createMeter({
    choice: options.meter,
    machine: options.machine,
    gpus: true,
    cores: availableParallelism(),
    usage: 'children',
  });
  const console = createConsole();
  meter.begin(WINDOW);
  const [name = '', ...args] = words;
  // Before the command is there: a signal that came in between would end this process alone.
  const stopForwarding = forwardSignals((signal) => child.kill(signal));
  const child = spawn(name, args, {
    stdio: ['inherit', options.json ? 2 : 'inherit', 'inherit'],
  });
  const stopLooking = look(meter, options, console);
  const ended = await endOf(child);
  stopLooking();
  stopForwarding();
  const reading = meter.end(WINDOW);
  meter.close();
  if ('failure' in ended) {
    const why = ended.failure.code === 'ENOENT' ? 'not found' : ended.failure.message;
    console.err(`phantom: [energy] cannot start ${name}: ${why}`);
    return ended.failure.code === 'ENOENT' ? NOT_FOUND : NOT_RUNNABLE;
  }
  tell(console, meter, reading, { ...options, words, ...ended });
  return ended.exitCode;
}

type Ended =
  | { readonly exitCode: number; readonly signal: string | null }
  | { readonly failure: NodeJS.ErrnoException };

/** A command that a signal ends has 128 + its number, as in a shell. */
async function endOf(child: ChildProcess): Promise<Ended> {
  return new Promise((resolve) => {
    child.once('error', (failure) => resolve({ failure }));
    child.once('exit', (code, signal) =>
      resolve({ exitCode: code ?? 128 + (signal ? constants.signals[signal] : 0), signal }),
    );
  });
}

/**
 * Passes signals on and outlives them. What is typed at a terminal reaches the command anyway: a
 * second one could mean something else to it.
 */
function forwardSignals(send: (signal: NodeJS.Signals) => void): () => void {
  const typed: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT'];
  const signals: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGHUP', 'SIGUSR2', ...typed];
  const atTerminal = hasTerminal();
  const forward = (signal: NodeJS.Signals) => {
    if (!(atTerminal && typed.includes(signal))) send(signal);
  };
  for (const signal of signals) process.on(signal, forward);
  return () => {
    for (const signal of signals) process.off(signal, forward);
  };
}

function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}

/** Looks at the meter now and then, and tells the power where that is wanted. */
function look(meter: EnergyMeter, { intervalS, json }: Metering, console: Console): () => void {
  let before: EnergyReading | null = null;
  const tellPower = () => {
    const now = meter.read();
    const { elapsedS, energyJ, obtained } = now;
    const powerW =
      energyJ === null || (before !== null && before.energyJ === null)
        ? null
        : (energyJ - (before?.energyJ ?? 0)) / (elapsedS - (before?.elapsedS ?? 0));
    before = now;
    if (json) {
      console.out(JSON.stringify({ type: 'power', elapsedS, energyJ, powerW, obtained }));
      return;
    }
    const power = powerW === null ? 'unavailable' : `${formatSi(powerW, 'W')}${label(obtained)}`;
    console.err(`${formatDuration(elapsedS)}  ${power}`);
  };
  // Power has to be sampled more often than it is printed.
  const timers = [setInterval(() => meter.sample(), intervalS === null ? LOOK_MS : 100)];
  if (intervalS !== null) timers.push(setInterval(tellPower, intervalS * 1000));
  return () => {
    for (const timer of timers) clearInterval(timer);
  };
}

const label = (obtained: string) => (obtained === 'counter' ? '' : ` ${obtained}`);

function tell(
  console: Console,
  meter: EnergyMeter,
  { energyJ, elapsedS, obtained, parts, problem }: EnergyReading,
  run: Metering & { words: readonly string[]; exitCode: number; signal: string | null },
): void {
  const { carbonIntensityGPerKWh, pue, exitCode, signal } = run;
  const grams = energyJ === null ? null : emissionsG(energyJ, { carbonIntensityGPerKWh, pue });
  const meanPowerW = energyJ === null ? null : energyJ / elapsedS;
  if (run.json) {
    const object = {
      type: 'energy',
      command: run.words,
      exitCode,
      signal,
      meter: meter.name,
      description: meter.description,
      obtained,
      elapsedS,
      energyJ,
      energyKWh: energyJ === null ? null : energyJ / JOULES_PER_KWH,
      meanPowerW,
      parts,
      emissionsG: grams,
      carbonIntensityGPerKWh,
      pue,
      problem,
    };
    console.out(JSON.stringify(object));
    return;
  }
  const total =
    energyJ === null || meanPowerW === null
      ? `unavailable, ${formatDuration(elapsedS)}`
      : `${energyText(energyJ, obtained)} = ${formatSi(energyJ / 3600, 'Wh')}, ` +
        `${formatSi(meanPowerW, 'W')} over ${formatDuration(elapsedS)}`;
  const width = console.watched ? console.columns : Number.POSITIVE_INFINITY;
  const pairs: [string, string][] = [['energy', total]];
  if (parts.length > 1) {
    const each = parts.map((part) => `${part.name} ${formatSi(part.energyJ, 'J')}`);
    pairs.push(['', each.join(', ')]);
  }
  if (grams !== null) pairs.push(emissionsPair(grams, { carbonIntensityGPerKWh, pue }));
  pairs.push(['meter', meter.description]);
  if (problem !== null) pairs.push(['problem', problem]);
  for (const line of formatPairs(pairs, { width })) console.err(line);
}
