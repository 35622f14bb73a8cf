// How a step's time, memory and modelled joules grow with the width, the blocks and the batch.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { formatSi } from '#src/base/format.js';
import { modelledW, requirePower } from '#src/energy/modelled.js';
import type { EngineChoice } from '#src/engines/engine-list.js';
import { rankMemory } from '#src/analysis/step-memory.js';
import type { NetworkSpecification } from '#src/model/specification.js';
import type { Strategy } from '#src/layers/strategies.js';
import { findMachineFile, readPower } from '#src/machine/power-file.js';
import { chartFile } from '#src/report/chart-file.js';
import { fitGrowth, type Growth } from './growth-fit.js';
import { missingParts, PYTHON_HELP } from './peers/peer-process.js';
import { compareSteps } from './peers/compare-steps.js';
import { quantile, timeSteps } from './step.js';

const HELP = `npm run bench -- growth [--json] [--sweeps N,P,B] [--strategies phantom,tensor] [--rounds 3]
  [--most-width 16384] [--engine auto] [--python PYTHON] [--svg FOLDER]

Steps of two layers on two ranks, adam: N from 512 up (P = 2, B = 128, K = 64), P from 2 to 64 (N = 2048,
B = 128, K = 16), and B from 1 to 4096 (N = 2048, P = 2, K = 64). Prints the median step, the memory of
both ranks and joules modelled from the busy and the waiting time, with the exponents of their growth
and where it bends. Where two ranks would need more than the 4 GiB that a rank may have, more ranks take turns
on the same cores, with P at least their number; such rows are in no exponent. --python adds the best PyTorch program (npm run bench -- peers) where P = 2; --svg draws the
step times.
${PYTHON_HELP}`;

const RANKS = 2;
/** The 4 GiB of a rank's memory, less what kernels and the benchmark's own copies take. */
const MOST_RANK_BYTES = 2 ** 32 - 2 ** 26;
const DEPTH = 2;

interface Size {
  readonly width: number;
  readonly blocks: number;
  readonly batch: number;
  readonly ghosts: number;
}
interface Sweep {
  readonly name: string;
  readonly label: string;
  readonly sizes: readonly Size[];
  readonly of: (size: Size) => number;
}
interface Measured {
  readonly sweep: string;
  readonly strategy: Strategy;
  readonly at: number;
  readonly ranks: number;
  readonly stepS: number;
  readonly memoryBytes: number;
  readonly modelledJ: number;
  readonly peerS: number | null;
}
const FIGURES = ['stepS', 'memoryBytes', 'modelledJ', 'peerS'] as const;

function sweepsTo(mostWidth: number): Readonly<Record<string, Sweep>> {
  const doubled = (from: number, to: number, by = 2) =>
    Array.from(
      { length: Math.round(Math.log(to / from) / Math.log(by)) + 1 },
      (_, i) => from * by ** i,
    );
  const usual = { width: 2048, blocks: RANKS, batch: 128, ghosts: 64 };
  return {
    N: {
      name: 'N',
      label: 'width N',
      sizes: doubled(512, mostWidth).map((width) => ({ ...usual, width })),
      of: ({ width }) => width,
    },
    P: {
      name: 'P',
      label: 'blocks P',
      sizes: doubled(2, 64).map((blocks) => ({ ...usual, blocks, ghosts: 16 })),
      of: ({ blocks }) => blocks,
    },
    B: {
      name: 'B',
      label: 'batch B',
      sizes: doubled(1, 4096, 4).map((batch) => ({ ...usual, batch })),
      of: ({ batch }) => batch,
    },
  };
}

export async function growthBench(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      sweeps: { type: 'string', default: 'N,P,B' },
      strategies: { type: 'string', default: 'phantom,tensor' },
      rounds: { type: 'string', default: '3' },
      'most-width': { type: 'string', default: '16384' },
      engine: { type: 'string', default: 'auto' },
      python: { type: 'string' },
      svg: { type: 'string' },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const { python = null } = values;
  const missing = python === null ? null : missingParts(python);
  if (missing !== null) {
    console.error(`[growth] ${python}: ${missing}\n${PYTHON_HELP}`);
    process.exitCode = 2;
    return;
  }
  const known = sweepsTo(Number(values['most-width']));
  const sweeps = values.sweeps.split(',').flatMap((name) => known[name] ?? []);
  const strategies = values.strategies.split(',') as Strategy[];
  const request = { engine: values.engine as EngineChoice, rounds: Number(values.rounds), python };
  const rows: Measured[] = [];
  const fits: Record<string, Growth> = {};
  for (const sweep of sweeps) {
    for (const size of sweep.sizes) {
      for (const row of await measure(sweep, size, strategies, request)) {
        rows.push(row);
        if (!values.json) console.log(line(row));
      }
    }
    for (const strategy of strategies) {
      for (const figure of FIGURES) {
        const points = rows.flatMap((row) => {
          const y = row[figure];
          const isOwn =
            row.sweep === sweep.name && row.strategy === strategy && row.ranks === RANKS;
          return isOwn && y !== null ? [{ x: row.at, y }] : [];
        });
        if (points.length < 3) continue;
        const growth = fitGrowth(points);
        fits[`${sweep.name} ${strategy} ${figure}`] = growth;
        if (!values.json) console.log(`${strategy} ${figure} ~ ${inWords(sweep.name, growth)}`);
      }
    }
    if (values.svg !== undefined) draw(values.svg, sweep, rows);
  }
  if (values.json) console.log(JSON.stringify({ ...values, rows, fits }));
}

async function measure(
  sweep: Sweep,
  size: Size,
  strategies: readonly Strategy[],
  request: { engine: EngineChoice; rounds: number; python: string | null },
): Promise<Measured[]> {
  const { width, batch } = size;
  const power = requirePower('default', readPower(findMachineFile('default')));
  // Two seconds at 60 GFLOP/s of each rank.
  const flops = (6 * DEPTH * width * width * batch) / RANKS;
  const steps = Math.round(Math.min(200, Math.max(3, 1.2e11 / flops)));
  const warmup = steps > 5 ? 5 : 1;
  const taken = new Map<Strategy, Pick<Measured, 'stepS' | 'memoryBytes' | 'modelledJ'>[]>();
  for (let round = 0; round < request.rounds; round++) {
    for (const strategy of strategies) {
      const { specification, ranks } = placeOf(size, strategy);
      const timings = await timeSteps(
        {
          specification,
          batch,
          engine: request.engine,
          relaxedSimd: false,
          optimizer: 'adam',
          steps,
          warmup,
          weightsTo: null,
        },
        ranks,
      );
      if (timings === null) throw new Error('growth runs on threads, not under a launcher');
      const stepS = quantile(timings.stepsMs, 0.5) / 1e3;
      // Between the rank that waits least and the one that waits most.
      const [least, most] = [timings.leastExposedMs, timings.exposedMs].map(
        (ms) => quantile(ms, 0.5) / 1e3,
      );
      const busy = Math.max(0, 1 - ((least ?? 0) + (most ?? 0)) / 2 / stepS);
      // There are as many cores, whatever takes turns on them.
      const busyCores = Math.min(1, (busy * ranks) / RANKS);
      const sentJ = power.energyPerByteJ.value * timings.sentBytes;
      const one = {
        stepS,
        memoryBytes: ranks * timings.allocatedBytes,
        modelledJ: RANKS * stepS * modelledW(power, busyCores) + ranks * sentJ,
      };
      taken.set(strategy, [...(taken.get(strategy) ?? []), one]);
    }
  }
  const alike = strategies.filter((strategy) => placeOf(size, strategy).ranks === RANKS);
  const peers = await peerTimes(size, alike, request, steps);
  return strategies.map((strategy) => {
    const all = taken.get(strategy) ?? [];
    const median = (of: keyof (typeof all)[number]) =>
      quantile(
        all.map((one) => one[of]),
        0.5,
      );
    return {
      sweep: sweep.name,
      strategy,
      at: sweep.of(size),
      ranks: placeOf(size, strategy).ranks,
      stepS: median('stepS'),
      memoryBytes: median('memoryBytes'),
      modelledJ: median('modelledJ'),
      peerS: peers.get(strategy) ?? null,
    };
  });
}

/** On two ranks, or where these would need more than a rank may have, on twice as many, 4, 8, …; every rank
 * has a block at least. */
function placeOf(
  { width, blocks, batch, ghosts }: Size,
  strategy: Strategy,
  ranks = RANKS,
): { specification: NetworkSpecification; ranks: number } {
  const specification: NetworkSpecification = {
    strategy,
    width,
    depth: DEPTH,
    ghosts,
    blocks: Math.max(blocks, ranks),
    activation: 'relu',
    ends: { kind: 'sharded' },
  };
  const rest = { loss: 'mse', optimizer: 'adam', average: false, inputGradient: true } as const;
  const { totalBytes } = rankMemory({ specification, ranks, columns: batch, ...rest }, 0);
  if (totalBytes < MOST_RANK_BYTES) return { specification, ranks };
  return placeOf({ width, blocks, batch, ghosts }, strategy, 2 * ranks);
}

/** Of the best exchange. */
async function peerTimes(
  { width, blocks, batch, ghosts }: Size,
  strategies: readonly Strategy[],
  { python, engine, rounds }: { engine: EngineChoice; rounds: number; python: string | null },
  steps: number,
): Promise<Map<Strategy, number>> {
  const best = new Map<Strategy, number>();
  if (python === null || blocks !== RANKS || strategies.length === 0) return best;
  const shape = { width, depth: DEPTH, ghosts, batch, compute: 'float32' as const };
  const compared = await compareSteps({ ...shape, python, engine, rounds, strategies, steps });
  for (const { strategy, peerMs } of compared.rows) {
    best.set(strategy, Math.min(best.get(strategy) ?? Infinity, peerMs.median / 1e3));
  }
  return best;
}

function line(row: Measured): string {
  const { sweep, strategy, at, ranks, stepS, memoryBytes, modelledJ, peerS } = row;
  const place = ranks === RANKS ? '' : ` on ${ranks} ranks (in no exponent)`;
  const peer = peerS === null ? '' : `, PyTorch ${formatSi(peerS, 's')}`;
  return (
    `${sweep} = ${String(at).padEnd(5)} ${strategy.padEnd(8)} ${formatSi(stepS, 's')} per step${place}, ` +
    `${formatSi(memoryBytes, 'B')}, ${formatSi(modelledJ, 'J')} (modelled)${peer}`
  );
}

function inWords(name: string, { exponent, bend }: Growth): string {
  if (bend === null) return `${name}^${exponent.toFixed(2)}`;
  return `${name}^${exponent.toFixed(2)} to ${bend.at}, ${name}^${bend.exponent.toFixed(2)} above`;
}

function draw(folder: string, sweep: Sweep, rows: readonly Measured[]): void {
  mkdirSync(folder, { recursive: true });
  const own = rows.filter((row) => row.sweep === sweep.name);
  const series = [...new Set(own.map(({ strategy }) => strategy))].flatMap((strategy) => {
    const of = own.filter((row) => row.strategy === strategy);
    const points = (figure: 'stepS' | 'peerS') => of.map((row) => ({ x: row.at, y: row[figure] }));
    const peer = { label: `${strategy}, PyTorch`, points: points('peerS') };
    return [
      { label: strategy, points: points('stepS') },
      ...(of.some(({ peerS }) => peerS !== null) ? [peer] : []),
    ];
  });
  const figure = chartFile({
    kind: 'lines',
    title: `Step time against ${sweep.label}`,
    x: { label: sweep.label, scale: 'log2' },
    y: { label: 'step', unit: 's', scale: 'log' },
    series,
  });
  writeFileSync(path.join(folder, `step-time-${sweep.name.toLowerCase()}.svg`), figure);
}
