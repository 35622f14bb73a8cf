// Samples a second of a loaded model, for one batch after another and for single rows.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadModel } from '#src/app/infer/load-model.js';
import type { EngineChoice } from '#src/engines/engine-list.js';
import { randomStream } from '#src/tensor/random.js';
import type { Dtype } from '#src/tensor/tensor.js';
import { makeRun, NETWORK_OPTIONS } from './served-model.js';

const HELP = `npm run bench -- forward [--json] [--width 2048] [--depth 2] [--blocks 2] [--ghosts 64]
  [--strategy phantom] [--features 64] [--outputs 10] [--engine auto] [--ranks 1] [--batch 256]
  [--compute float32|bfloat16]
  [--batches 60]

Samples a second of loadModel(…).predict, two batches under way: rows in, answers out, moving between
threads included; and what one batch and a single row take by themselves. \`npm run bench -- peers\`
compares with other libraries.`;

export async function forwardBench(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      ...NETWORK_OPTIONS,
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      engine: { type: 'string', default: 'auto' },
      ranks: { type: 'string', default: '1' },
      compute: { type: 'string', default: 'float32' },
      batch: { type: 'string', default: '256' },
      batches: { type: 'string', default: '60' },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const run = await makeRun(values);
  const batch = Number(values.batch);
  const model = await loadModel(run.folder, {
    ranks: Number(values.ranks),
    engine: values.engine as EngineChoice,
    compute: values.compute as Dtype,
    maxBatch: batch,
  });
  const stream = randomStream(1, 'rows');
  const x = Float32Array.from({ length: batch * run.features }, (_, i) => stream.normal(i));
  const time = async (rows: Float32Array, times: number) => {
    const ms: number[] = [];
    for (let i = 0; i < times; i++) {
      const began = performance.now();
      await model.predict(rows);
      ms.push(performance.now() - began);
    }
    return ms.toSorted((a, b) => a - b)[times >> 1];
  };
  const batches = Number(values.batches);
  await time(x, 5);
  const latencyMs = await time(x, batches);
  const ended: number[] = [];
  const oneByOne = async () => {
    for (let i = 0; i < batches / 2; i++) {
      await model.predict(x);
      ended.push(performance.now());
    }
  };
  await Promise.all([oneByOne(), oneByOne()]);
  const between = ended.slice(1).map((at, i) => at - (ended[i] ?? at));
  const batchMs = between.toSorted((a, b) => a - b)[between.length >> 1] ?? Number.NaN;
  const single = x.subarray(0, run.features);
  await time(single, 20);
  const singleMs = await time(single, 200);
  await model.close();
  run.remove();
  const report = {
    engine: model.engine,
    ranks: model.ranks,
    batch,
    batchMs,
    latencyMs,
    samplesPerS: (1000 * batch) / batchMs,
    singleMs,
  };
  if (values.json) {
    console.log(JSON.stringify({ ...values, ...report }));
    return;
  }
  console.log(`${report.engine}, ${report.ranks} ranks`);
  console.log(`batches of ${batch}: ${batchMs.toFixed(2)} ms, ${report.samplesPerS.toFixed(0)}/s`);
  console.log(`one batch by itself: ${latencyMs?.toFixed(2)} ms`);
  console.log(`a single row by itself: ${singleMs?.toFixed(3)} ms`);
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await forwardBench(process.argv.slice(2));
}
