// Steps and answers with bfloat16 products beside those with float32 ones.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { passBytes } from '#src/analysis/rates.js';
import { stepProgram } from '#src/analysis/step-program.js';
import { loadModel } from '#src/app/infer/load-model.js';
import { createEngine } from '#src/app/ranks/engines.js';
import type { EngineChoice } from '#src/engines/engine-list.js';
import type { HalfProducts } from '#src/engines/engine.js';
import { measureEngine } from '#src/engines/measure.js';
import type { Strategy } from '#src/layers/strategies.js';
import type { NetworkSpecification } from '#src/model/specification.js';
import { randomStream } from '#src/tensor/random.js';
import { type Dtype, DTYPES } from '#src/tensor/tensor.js';
import { makeRun } from './served-model.js';
import { quantile, timeSteps } from './step.js';

const HELP = `npm run bench -- precision [--json] [--strategies phantom,tensor,tensor-paired] [--widths 2048,4096]
  [--batches 128,512] [--rounds 5] [--steps 8] [--blocks 2] [--ranks 2] [--ghosts 64] [--depth 2]
  [--engine auto] [--rows 256] [--answers 20]

Ratios within one run, medians of rounds in which both formats alternate: a step with bfloat16 products over one
with float32 ones; in each format a step over its own products and the bytes of its passes at the rate of a large
copy; and what answering rows takes in bfloat16 over float32. Passes count with the bytes of float32 in
both. Of a processor without fast bfloat16 products it says so: its ratios are what to expect there.`;

interface Shape {
  readonly strategy: Strategy;
  readonly width: number;
  readonly batch: number;
}

interface StepRatios extends Shape {
  /** bfloat16 / float32, of every round. */
  readonly steps: readonly number[];
  /** Step / (products + passes at the copy's rate). */
  readonly overFloor: Readonly<Record<Dtype, readonly number[]>>;
}

interface Sizes {
  readonly blocks: number;
  readonly ranks: number;
  readonly ghosts: number;
  readonly depth: number;
  readonly steps: number;
  readonly rounds: number;
  readonly engine: EngineChoice;
}

async function stepRatios(shape: Shape, sizes: Sizes): Promise<StepRatios> {
  const { strategy, width, batch } = shape;
  const { blocks, ranks, ghosts, depth, steps, rounds, engine } = sizes;
  const overFloor: Record<Dtype, number[]> = { float32: [], bfloat16: [] };
  const ratios: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const took: Record<Dtype, number> = { float32: 0, bfloat16: 0 };
    // Which comes first alternates too.
    for (const compute of round % 2 === 0 ? DTYPES : DTYPES.toReversed()) {
      const specification: NetworkSpecification = {
        strategy,
        width,
        depth,
        blocks,
        ghosts,
        compute,
        activation: 'relu',
        ends: { kind: 'sharded' },
      };
      const optimizer = 'adam';
      const fixed = { relaxedSimd: false, warmup: 2, weightsTo: null };
      const request = { ...fixed, specification, batch, engine, optimizer, steps } as const;
      const times = await timeSteps(request, ranks);
      if (times === null) throw new Error('precision runs on threads; leave mpirun out');
      const program = stepProgram(
        {
          specification,
          ranks,
          columns: batch,
          loss: 'mse',
          optimizer,
          average: false,
          inputGradient: true,
        },
        0,
      );
      const bytes = program.reduce(
        (sum, pass) =>
          sum + (pass.kind === 'elements' ? passBytes(pass.kernel) * pass.elements : 0),
        0,
      );
      const stepMs = quantile(times.stepsMs, 0.5);
      const floorMs = quantile(times.productsMs, 0.5) + bytes / times.copyBytesPerMs;
      took[compute] = stepMs;
      overFloor[compute].push(stepMs / floorMs);
    }
    ratios.push(took.bfloat16 / took.float32);
  }
  return { ...shape, steps: ratios, overFloor };
}

/** bfloat16 / float32, of every round. */
async function answerRatios(
  { strategy, width }: Pick<Shape, 'strategy' | 'width'>,
  { blocks, ghosts, depth, rounds, engine }: Sizes,
  { rows, answers }: { readonly rows: number; readonly answers: number },
): Promise<number[]> {
  const numbers = { width, depth, blocks, ghosts, features: 64, outputs: 10 };
  const texts = Object.fromEntries(Object.entries(numbers).map(([key, n]) => [key, String(n)]));
  const run = await makeRun({ strategy, ...texts } as Parameters<typeof makeRun>[0]);
  const open = (compute: Dtype) =>
    loadModel(run.folder, { ranks: 1, engine, maxBatch: rows, compute });
  const models = { float32: await open('float32'), bfloat16: await open('bfloat16') };
  const stream = randomStream(1, 'rows');
  const x = Float32Array.from({ length: rows * run.features }, (_, i) => stream.normal(i));
  const time = async (compute: Dtype) => {
    const ms: number[] = [];
    for (let i = 0; i < answers; i++) {
      const began = performance.now();
      await models[compute].predict(x);
      ms.push(performance.now() - began);
    }
    return quantile(ms, 0.5);
  };
  for (const compute of DTYPES) await time(compute);
  const ratios: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const float = await time('float32');
    ratios.push((await time('bfloat16')) / float);
  }
  for (const compute of DTYPES) await models[compute].close();
  run.remove();
  return ratios;
}

async function engineOf(choice: EngineChoice) {
  const engine = await createEngine(choice);
  const rate = (dtype: Dtype) => measureEngine(engine, dtype).flopsPerS;
  const ratio = quantile(
    Array.from({ length: 5 }, () => rate('bfloat16') / rate('float32')),
    0.5,
  );
  const { description, halfProducts } = engine;
  engine.close();
  return { description, halfProducts, ratio };
}

export async function precisionBench(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      strategies: { type: 'string', default: 'phantom,tensor,tensor-paired' },
      widths: { type: 'string', default: '2048,4096' },
      batches: { type: 'string', default: '128,512' },
      rounds: { type: 'string', default: '5' },
      steps: { type: 'string', default: '8' },
      blocks: { type: 'string', default: '2' },
      ranks: { type: 'string', default: '2' },
      ghosts: { type: 'string', default: '64' },
      depth: { type: 'string', default: '2' },
      engine: { type: 'string', default: 'auto' },
      rows: { type: 'string', default: '256' },
      answers: { type: 'string', default: '20' },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const numbers = (list: string) => list.split(',').map(Number);
  const sizes: Sizes = {
    blocks: Number(values.blocks),
    ranks: Number(values.ranks),
    ghosts: Number(values.ghosts),
    depth: Number(values.depth),
    steps: Number(values.steps),
    rounds: Number(values.rounds),
    engine: values.engine as EngineChoice,
  };
  const engine = await engineOf(sizes.engine);
  const say = (line: string) => {
    if (!values.json) console.log(line);
  };
  say(`${engine.description}: ${FAST[engine.halfProducts]}`);
  say(`a bfloat16 product runs at ${engine.ratio.toFixed(2)} of the rate of a float32 one`);
  const steps: StepRatios[] = [];
  const answers: { strategy: Strategy; width: number; ratios: number[] }[] = [];
  const text = (of: readonly number[]) =>
    `${quantile(of, 0.5).toFixed(3)} (${Math.min(...of).toFixed(3)} to ${Math.max(...of).toFixed(3)})`;
  for (const strategy of values.strategies.split(',') as Strategy[]) {
    for (const width of numbers(values.widths)) {
      for (const batch of numbers(values.batches)) {
        const ratios = await stepRatios({ strategy, width, batch }, sizes);
        steps.push(ratios);
        const { float32, bfloat16 } = ratios.overFloor;
        say(
          `${strategy}, N = ${width}, B = ${batch}: bfloat16 / float32 step ${text(ratios.steps)}; step / products ` +
            `and passes: float32 ${text(float32)}, bfloat16 ${text(bfloat16)}`,
        );
      }
      const rows = Number(values.rows);
      const ratios = await answerRatios({ strategy, width }, sizes, {
        rows,
        answers: Number(values.answers),
      });
      answers.push({ strategy, width, ratios });
      say(`${strategy}, N = ${width}: ${rows} rows answered, bfloat16 / float32 ${text(ratios)}`);
    }
  }
  if (values.json) console.log(JSON.stringify({ engine, sizes, steps, answers }));
}

const FAST: Readonly<Record<HalfProducts, string>> = {
  native: 'a fast bfloat16 product',
  emulated: 'no fast bfloat16 product on this CPU (emulated)',
  widened: 'no fast bfloat16 product on this CPU (widened to float32)',
};

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await precisionBench(process.argv.slice(2));
}
