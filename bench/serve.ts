// Requests a second with and without batching, at a number of connections that each wait for
// their answer before they ask again.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import { randomStream } from '#src/tensor/random.js';
import { binaryRequest, makeRun, NETWORK_OPTIONS, startServerProcess } from './served-model.js';

const HELP = `npm run bench -- serve [--json] [--width 2048] [--depth 2] [--blocks 2] [--ghosts 64]
  [--strategy phantom] [--features 64] [--outputs 10] [--engine auto] [--ranks 1]
  [--connections 64] [--max-batch 64] [--max-delay-ms 0] [--seconds 10] [--rounds 2]

Requests of one row with binary tensors against "phantom serve" in a process of its own, first with
--max-batch 1 and then with --max-batch; medians of the rounds. Client, server and ranks share the
machine's cores.`;

interface Measured {
  readonly requestsPerS: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failed: number;
  readonly rowsPerBatch: number;
}

export async function serveBench(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      ...NETWORK_OPTIONS,
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      engine: { type: 'string', default: 'auto' },
      ranks: { type: 'string', default: '1' },
      connections: { type: 'string', default: '64' },
      'max-batch': { type: 'string', default: '64' },
      'max-delay-ms': { type: 'string', default: '0' },
      seconds: { type: 'string', default: '10' },
      rounds: { type: 'string', default: '2' },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const run = await makeRun(values);
  const { ranks, engine, 'max-delay-ms': delay } = values;
  const stream = randomStream(1, 'request');
  const x = Float32Array.from({ length: run.features }, (_, i) => stream.normal(i));
  const request = binaryRequest(x, run.features);

  const measure = async (maxBatch: string): Promise<Measured> => {
    const flags = ['--ranks', ranks, '--engine', engine, '--max-batch', maxBatch];
    const wait = ['--max-delay-ms', maxBatch === '1' ? '0' : delay];
    const server = await startServerProcess([`m=${run.folder}`, ...flags, ...wait]);
    const shoot = (duration: number) =>
      autocannon({
        url: `${server.url}/v2/models/m/infer`,
        method: 'POST',
        connections: Number(values.connections),
        duration,
        ...request,
      });
    await shoot(2);
    const before = await batches(server.url);
    const { requests, latency, non2xx, errors } = await shoot(Number(values.seconds));
    const after = await batches(server.url);
    await server.end();
    return {
      requestsPerS: requests.average,
      p50Ms: latency.p50,
      p99Ms: latency.p99,
      failed: non2xx + errors,
      rowsPerBatch: (after.rows - before.rows) / (after.count - before.count),
    };
  };
  const single: Measured[] = [];
  const batched: Measured[] = [];
  try {
    for (let round = 0; round < Number(values.rounds); round++) {
      single.push(await measure('1'));
      batched.push(await measure(values['max-batch']));
    }
  } finally {
    run.remove();
  }
  const median = (all: readonly Measured[]): Measured => {
    const sorted = all.toSorted((a, b) => a.requestsPerS - b.requestsPerS);
    return sorted[sorted.length >> 1];
  };
  const report = { maxBatch1: median(single), batched: median(batched) };
  const speedup = report.batched.requestsPerS / report.maxBatch1.requestsPerS;
  if (values.json) {
    console.log(JSON.stringify({ ...values, ...report, speedup, single, all: batched }));
    return;
  }
  console.log('              requests/s   p50      p99      rows a batch   failed');
  for (const [name, m] of Object.entries(report)) {
    console.log(
      `${name.padEnd(13)} ${m.requestsPerS.toFixed(0).padStart(10)}   ` +
        `${m.p50Ms.toFixed(1).padStart(5)} ms ${m.p99Ms.toFixed(1).padStart(6)} ms ` +
        `${m.rowsPerBatch.toFixed(1).padStart(11)} ${String(m.failed).padStart(10)}`,
    );
  }
  console.log(`batching: ${speedup.toFixed(2)}×`);
}

async function batches(url: string): Promise<{ rows: number; count: number }> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const value = (name: string) =>
    Number(new RegExp(`^phantom_batch_rows_${name}\\{model="m"\\} (\\S+)`, 'm').exec(text)?.[1]);
  return { rows: value('sum'), count: value('count') };
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await serveBench(process.argv.slice(2));
}
