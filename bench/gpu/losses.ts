// Losses of short trainings on the GPU, held against those of the WebAssembly kernels, and with graphs against without.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { train } from '#src/app/train/train.js';
import type { EngineName } from '#src/engines/engine-list.js';
import type { TrainingSettings } from '#src/settings/settings.js';
import { type Check, measured } from './check.js';
import { COMPUTES, GRAPHS } from './variants.js';

const SIZES = {
  real: { width: 512, blocks: 4, ghosts: 16, batch: 64, steps: 8 },
  rehearsal: { width: 32, blocks: 4, ghosts: 2, batch: 8, steps: 2 },
} as const;
/** Largest relative difference of a loss: sums in another order, and products of rounded operands. */
const TOLERANCE: Readonly<Record<string, number>> = { float32: 1e-4, tf32: 1e-2, bfloat16: 5e-2 };

export async function lossesPart(check: Check): Promise<void> {
  const kind = check.rehearse ? 'rehearsal' : 'real';
  const strategies = ['phantom', 'tensor', 'tensor-paired'] as const;
  for (const strategy of strategies.slice(0, check.rehearse ? 1 : 3)) {
    // TF32 is held against float32, which is computed once.
    const references = new Map<string, readonly number[]>();
    for (const compute of COMPUTES) {
      const what = { part: 'losses', strategy, compute, ...SIZES[kind] };
      await measured(check, what, async () => {
        const wasmCompute = compute === 'tf32' ? 'float32' : compute;
        const sizes = { strategy, ...SIZES[kind] };
        const expected =
          references.get(wasmCompute) ??
          (await lossesOf('wasm', { ...sizes, compute: wasmCompute } as never));
        references.set(wasmCompute, expected);
        const onCuda = (graphs: boolean) => {
          process.env['PHANTOM_CUDA_GRAPHS'] = graphs ? 'on' : 'off';
          return lossesOf('cuda', { ...sizes, compute } as never);
        };
        const actual = await onCuda(GRAPHS.includes(true));
        const differences = expected.map((loss, i) => Math.abs((actual[i] ?? NaN) / loss - 1));
        const difference = Math.max(...differences);
        const tolerance = TOLERANCE[compute] ?? 0;
        if (!(difference < tolerance)) throw new Error(`losses differ by ${difference}`);
        if (strategy === 'phantom' && GRAPHS.includes(true)) {
          const single = await onCuda(false);
          if (!isDeepStrictEqual(single, actual)) {
            throw new Error(
              `losses without graphs are ${single.join()}, with them ${actual.join()}`,
            );
          }
        }
        return { difference, tolerance, first: expected[0], last: expected.at(-1) };
      });
    }
  }
}

async function lossesOf(
  engine: EngineName,
  settings: Partial<TrainingSettings>,
): Promise<readonly number[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'gpu-check-'));
  try {
    const out = path.join(folder, 'run');
    await train({ ...settings, engine, ranks: 1, logEvery: 1, meter: 'none', out });
    return readFileSync(path.join(out, 'metrics.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; loss: number })
      .flatMap(({ type, loss }) => (type === 'step' ? [loss] : []));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
