// Training steps beside the same steps in PyTorch.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Strategy } from '#src/layers/strategies.js';
import type { Dtype } from '#src/tensor/tensor.js';
import { stepBatch } from '../step-batch.js';
import { quantile, timeSteps } from '../step.js';
import { startPeer } from './peer-process.js';
import { type PeersRequest, RANKS, type Row, rowOf } from './rows.js';

const EXCHANGES = ['shared', 'gloo'] as const;
/** Steps whose losses are compared, and by how much they may differ. */
const COMPARED = 6;
const TOLERANCE = { float32: 2e-5, bfloat16: 2e-2 };

/** With the strategy that it is of. */
export interface StepsRow extends Row {
  readonly strategy: Strategy;
}
interface StepAnswer {
  readonly losses: readonly number[];
  readonly stepsMs: readonly number[];
  readonly products: readonly string[];
}

export interface StepsRequest extends PeersRequest {
  readonly batch: number;
  readonly compute: Dtype;
  readonly strategies: readonly Strategy[];
  readonly steps: number;
}

/** A row of each strategy and exchange. @throws Error where the losses are not the same */
export async function compareSteps(
  request: StepsRequest,
): Promise<{ rows: StepsRow[]; note: string }> {
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
        const both = [took.get(strategy), took.get(`${strategy} ${exchange}`)] as const;
        return { strategy, ...rowOf(what, peerName, ...both) };
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
