// Steps and answers beside those of other libraries' best programs, in turn.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { exportModel } from '#src/app/convert/export-file.js';
import { loadModel } from '#src/app/infer/load-model.js';
import type { EngineChoice } from '#src/engines/engine-list.js';
import { type Strategy, STRATEGY_NAMES } from '#src/layers/strategies.js';
import { randomStream } from '#src/tensor/random.js';
import type { Dtype } from '#src/tensor/tensor.js';
import { makeRun } from '../served-model.js';
import { stepBatch } from '../step-batch.js';
import { quantile, timeSteps } from '../step.js';
import { missingParts, PYTHON_HELP, startPeer } from './peer-process.js';

const HELP = `npm run bench -- peers [--json] [--python python3] [--only steps|answers] [--rounds 5]
  [--width 2048] [--depth 2] [--ghosts 64] [--batches 128,512] [--steps 20]
  [--compute float32|bfloat16] [--strategies ${STRATEGY_NAMES.join(',')}]
  [--answers 1,16,256] [--engine auto]

Training steps of two ranks beside the same steps in PyTorch (bench/peers/steps.py: shared memory and
gloo, MKL or oneDNN by shape, fused Adam), which start from the same weights and must have the same
losses; and answers of one rank beside PyTorch, compiled or not, and ONNX Runtime. Programs take turns
in every round; a figure is the median of the rounds' medians, with the least and the largest, and a
ratio above 1 says how much longer the peer takes.
${PYTHON_HELP}`;

/** Blocks, ranks and processes. */
const RANKS = 2;
const EXCHANGES = ['shared', 'gloo'] as const;
/** Steps whose losses are compared, and by how much they may differ. */
const COMPARED = 6;
const TOLERANCE = { float32: 2e-5, bfloat16: 2e-2 };

interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}
interface Row {
  readonly what: string;
  readonly peer: string;
  readonly ownMs: Spread;
  readonly peerMs: Spread;
  /** The peer's time over ours, round by round. */
  readonly ratio: Spread;
}
interface StepAnswer {
  readonly losses: readonly number[];
  readonly stepsMs: readonly number[];
  readonly products: readonly string[];
}

export async function peersBench(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      python: { type: 'string', default: 'python3' },
      only: { type: 'string' },
      rounds: { type: 'string', default: '5' },
      width: { type: 'string', default: '2048' },
      depth: { type: 'string', default: '2' },
      ghosts: { type: 'string', default: '64' },
      batches: { type: 'string', default: '128,512' },
      steps: { type: 'string', default: '20' },
      compute: { type: 'string', default: 'float32' },
      strategies: { type: 'string', default: STRATEGY_NAMES.join(',') },
      answers: { type: 'string', default: '1,16,256' },
      engine: { type: 'string', default: 'auto' },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const missing = missingParts(values.python);
  if (missing !== null) {
    console.error(`[peers] ${values.python}: ${missing}\n${PYTHON_HELP}`);
    process.exitCode = 2;
    return;
  }
  const { width, depth, ghosts, steps, rounds } = values;
  const compute = values.compute as Dtype;
  const request = {
    python: values.python,
    engine: values.engine as EngineChoice,
    rounds: Number(rounds),
    width: Number(width),
    depth: Number(depth),
    ghosts: Number(ghosts),
  };
  const list = (text: string) => text.split(',');
  const rows: Row[] = [];
  const notes: string[] = [];
  const add = (found: { rows: Row[]; note: string }) => {
    rows.push(...found.rows);
    notes.push(found.note);
    if (values.json) return;
    console.log(found.note);
    for (const row of found.rows) console.log(line(row));
  };
  if (values.only !== 'answers') {
    for (const batch of list(values.batches).map(Number)) {
      const strategies = list(values.strategies) as Strategy[];
      add(await compareSteps({ ...request, batch, compute, strategies, steps: Number(steps) }));
    }
  }
  if (values.only !== 'steps') {
    const sizes = list(values.answers).map(Number);
    add(await compareAnswers(request, sizes));
  }
  if (values.json) console.log(JSON.stringify({ ...values, notes, rows }));
}

interface Request {
  readonly python: string;
  readonly engine: EngineChoice;
  readonly rounds: number;
  readonly width: number;
  readonly depth: number;
  readonly ghosts: number;
}
interface StepsRequest extends Request {
  readonly batch: number;
  readonly compute: Dtype;
  readonly strategies: readonly Strategy[];
  readonly steps: number;
}

async function compareSteps(request: StepsRequest): Promise<{ rows: Row[]; note: string }> {
  const { width, depth, ghosts, batch, compute, strategies, rounds } = request;
  const folder = mkdtempSync(path.join(tmpdir(), 'phantom-peers-'));
  const own = (strategy: Strategy, weightsTo: string | null, steps: number) =>
    timeSteps(
      {
        specification: {
          strategy,
          width,
          depth,
          blocks: RANKS,
          ghosts,
          activation: 'relu',
          ends: { kind: 'sharded' },
          compute,
        },
        batch,
        engine: request.engine,
        relaxedSimd: false,
        optimizer: 'adam',
        steps,
        warmup: COMPARED - 1,
        weightsTo,
      },
      RANKS,
    );
  try {
    const losses = new Map<Strategy, readonly number[]>();
    const shapes: Record<string, unknown> = {};
    let engine = '';
    for (const strategy of strategies) {
      const to = path.join(folder, strategy);
      mkdirSync(to);
      const timings = await own(strategy, to, 0);
      losses.set(strategy, timings?.losses ?? []);
      engine = timings?.engine ?? '';
      shapes[strategy] = Array.from({ length: RANKS }, (_, rank) =>
        JSON.parse(readFileSync(path.join(to, `rank-${rank}.json`), 'utf8')),
      );
    }
    for (const [name, values] of Object.entries(stepBatch(width, batch))) {
      writeFileSync(path.join(folder, `${name}.f32`), values);
    }
    const port = 20_000 + (process.pid % 20_000);
    const setup = { width, depth, blocks: RANKS, batch, compute, shapes, port };
    writeFileSync(path.join(folder, 'setup.json'), JSON.stringify(setup));
    const peer = await startPeer(request.python, 'steps.py', folder);
    const ask = (strategy: Strategy, exchange: string, steps: number) =>
      peer.ask<StepAnswer>({ strategy, exchange, steps, warmup: COMPARED });
    const took = new Map<string, number[]>();
    const note = (name: string, ms: readonly number[]) =>
      took.set(name, [...(took.get(name) ?? []), quantile(ms, 0.5)]);
    const products: Record<string, readonly string[]> = {};
    try {
      for (let round = 0; round < rounds; round++) {
        for (const strategy of strategies) {
          note(strategy, (await own(strategy, null, request.steps))?.stepsMs ?? []);
          for (const exchange of EXCHANGES) {
            const answer = await ask(strategy, exchange, request.steps);
            sameLosses(strategy, losses.get(strategy) ?? [], answer.losses, TOLERANCE[compute]);
            note(`${strategy} ${exchange}`, answer.stepsMs);
            products[strategy] = answer.products;
          }
        }
      }
    } finally {
      await peer.close();
    }
    const rows = strategies.flatMap((strategy) =>
      EXCHANGES.map((exchange) => {
        const by = products[strategy]?.join(' and ') ?? '';
        const what = `${strategy}, N = ${width}, B = ${batch}, ${compute}`;
        const peerName = `PyTorch, ${exchange}, ${by}`;
        return rowOf(what, peerName, took.get(strategy), took.get(`${strategy} ${exchange}`));
      }),
    );
    const head = `steps: ${engine}; PyTorch ${String(peer.hello['torch'])}; losses of ${COMPARED} steps agree`;
    return { rows, note: head };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function sameLosses(
  what: string,
  own: readonly number[],
  peer: readonly number[],
  tolerance: number,
): void {
  for (const [i, loss] of own.entries()) {
    const other = peer[i] ?? Number.NaN;
    if (Math.abs(other - loss) <= tolerance * Math.abs(loss)) continue;
    throw new Error(`${what}: loss ${i}: ours ${loss}, the peer's ${other}; not the same step`);
  }
}

async function compareAnswers(
  request: Request,
  sizes: readonly number[],
): Promise<{ rows: Row[]; note: string }> {
  const { width, depth, ghosts, rounds } = request;
  const text = { width: String(width), depth: String(depth), ghosts: String(ghosts) };
  const shape = { strategy: 'phantom', blocks: String(RANKS), features: '64', outputs: '10' };
  const run = await makeRun({ ...shape, ...text });
  const folder = path.dirname(run.folder);
  const most = Math.max(...sizes);
  const model = await loadModel(run.folder, {
    ranks: 1,
    engine: request.engine,
    maxBatch: most,
  });
  try {
    const { features } = run;
    const stream = randomStream(1, 'rows');
    const x = Float32Array.from({ length: most * features }, (_, i) => stream.normal(i));
    writeFileSync(path.join(folder, 'x.f32'), x);
    for (const [format, name] of [
      ['safetensors', 'model.safetensors'],
      ['onnx', 'model.onnx'],
    ] as const) {
      await exportModel({ model: run.folder, format, out: path.join(folder, name) });
    }
    const setup = { depth, blocks: RANKS, features };
    writeFileSync(path.join(folder, 'setup.json'), JSON.stringify(setup));
    const peer = await startPeer(request.python, 'forward.py', folder);
    const names = peer.hello['peers'] as string[];
    const took = new Map<string, number[]>();
    const note = (name: string, ms: readonly number[]) =>
      took.set(name, [...(took.get(name) ?? []), quantile(ms, 0.5)]);
    try {
      for (let round = 0; round < rounds; round++) {
        for (const batch of sizes) {
          const rows = x.subarray(0, batch * features);
          const times = batch > 64 ? 20 : 100;
          const ms: number[] = [];
          let y: Float32Array = new Float32Array();
          for (let i = -10; i < times; i++) {
            const began = performance.now();
            y = await model.predict(rows);
            if (i >= 0) ms.push(performance.now() - began);
          }
          note(String(batch), ms);
          for (const name of names) {
            const asked = { peer: name, batch, times, warmup: 10 };
            const answer = await peer.ask<{ ms: number[]; y: number[] }>(asked);
            sameAnswers(name, y, answer.y);
            note(`${batch} ${name}`, answer.ms);
          }
        }
      }
    } finally {
      await peer.close();
    }
    const rows = sizes.flatMap((batch) =>
      names.map((name) =>
        rowOf(`batch ${batch}`, name, took.get(String(batch)), took.get(`${batch} ${name}`)),
      ),
    );
    const { torch, onnxruntime } = peer.hello;
    const versions = `PyTorch ${String(torch)}; ONNX Runtime ${String(onnxruntime)}`;
    return { rows, note: `answers: ${model.engine}; ${versions}; answers agree` };
  } finally {
    await model.close();
    run.remove();
  }
}

function sameAnswers(name: string, own: Float32Array, peer: readonly number[]): void {
  const scale = Math.max(...own.map(Math.abs));
  const apart = Math.max(...own.map((value, i) => Math.abs(value - (peer[i] ?? Number.NaN))));
  if (apart <= 1e-4 * scale) return;
  throw new Error(`${name}: answers up to ${scale} differ by ${apart}; not the same network`);
}

function rowOf(what: string, peer: string, own: number[] = [], theirs: number[] = []): Row {
  const ratios = theirs.map((ms, round) => ms / (own[round] ?? Number.NaN));
  return { what, peer, ownMs: spread(own), peerMs: spread(theirs), ratio: spread(ratios) };
}

function spread(values: readonly number[]): Spread {
  return { median: quantile(values, 0.5), least: quantile(values, 0), most: quantile(values, 1) };
}

function line({ what, peer, ownMs, peerMs, ratio }: Row): string {
  const show = ({ median, least, most }: Spread) =>
    [median, least, most].map((value) => value.toPrecision(3));
  const [own, theirs, by] = [ownMs, peerMs, ratio].map(show);
  const cell = (of: string[] = []) => `${of[0]} (${of[1]}–${of[2]})`;
  return (
    `${what.padEnd(44)} ${cell(own).padEnd(22)} ms  ${peer.padEnd(38)} ` +
    `${cell(theirs).padEnd(22)} ms  ${cell(by)}×`
  );
}
