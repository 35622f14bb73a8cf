// What a shuffled row costs the loader: from memory, from a file, and by one read each.
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { median } from '#src/base/median.js';
import { type RecordsDataset, type RecordsOnDisk, sharedFloat32 } from '#src/data/dataset.js';
import { inlineBatches } from '#src/data/loader/loader.js';
import { randomStream } from '#src/tensor/random.js';

const HELP = `npm run bench -- loader [--json] [--megabytes 1000] [--memory-megabytes 125] [--record 51]
  [--batch 256] [--turns 9] [--turn-batches 400] [--folder /tmp]

Nanoseconds of a core and of the clock per shuffled row: of a table that fits into memory, of a file
of so many megabytes whose rows may take so much memory, of one read per row of that file, and of
copying the whole file through once per window, which is the least that windows can cost. By turns,
in one process; medians. The file was written just before, so that the system's cache holds what it can.`;

interface Cost {
  readonly cpuNs: number;
  readonly wallNs: number;
}

function timed(rows: number, work: () => void): Cost {
  const [cpu, began] = [process.cpuUsage(), performance.now()];
  work();
  const { user, system } = process.cpuUsage(cpu);
  return {
    cpuNs: (1e3 * (user + system)) / rows,
    wallNs: (1e6 * (performance.now() - began)) / rows,
  };
}

function dataset(
  source: Float32Array | RecordsOnDisk,
  rows: number,
  record: number,
): RecordsDataset {
  const features = record - 1;
  const ones = { mean: new Float32Array(features), scale: new Float32Array(features).fill(1) };
  return {
    kind: 'records',
    name: 'bench',
    rows,
    features,
    record,
    source,
    standardization: ones,
    imageLike: false,
    weighted: false,
    tally: { rows: [rows], weights: [rows] },
    answers: { kind: 'values', width: 1 },
  };
}

function reader(training: RecordsDataset, batch: number) {
  const schedule = { firstStep: 0, steps: 1e9, batchSize: batch, microBatches: 1 };
  return inlineBatches({
    data: { training, validation: null },
    schedule: { ...schedule, validationRows: 0, validateEvery: 0 },
    standardization: training.standardization,
    shuffle: true,
    oneHot: false,
  });
}

export async function loaderBench(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      megabytes: { type: 'string', default: '1000' },
      'memory-megabytes': { type: 'string', default: '125' },
      record: { type: 'string', default: '51' },
      batch: { type: 'string', default: '256' },
      turns: { type: 'string', default: '9' },
      'turn-batches': { type: 'string', default: '400' },
      folder: { type: 'string', default: tmpdir() },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const [record, batch, count] = [values.record, values.batch, values['turn-batches']].map(Number);
  if (!record || !batch || !count) throw new Error(HELP);
  const memoryBytes = 1e6 * Number(values['memory-megabytes']);
  const rows = Math.floor((1e6 * Number(values.megabytes)) / (4 * record));
  const fitting = Math.floor(memoryBytes / (4 * record));
  const held = sharedFloat32(fitting * record);
  randomStream(1, 'bench').fillNormal(held, 0);
  const folder = mkdtempSync(path.join(values.folder, 'phantom-bench-'));
  try {
    const file = path.join(folder, 'records');
    const descriptor = openSync(file, 'wx+');
    for (let done = 0; done < rows; done += fitting) {
      writeSync(descriptor, held.subarray(0, Math.min(fitting, rows - done) * record));
    }
    const memory = reader(dataset(held, fitting, record), batch);
    const ahead = reader(dataset({ path: file, memoryBytes }, rows, record), batch);
    const each = Buffer.alloc(4 * record);
    const piece = Buffer.alloc(1 << 20);
    const single = randomStream(1, 'rows').permutation(rows);
    let next = 0;
    const windowRows = memoryBytes / 2 / (4 * record + 8);
    const ways: Record<string, () => Cost> = {
      memory: () => timed(count * batch, () => repeat(count, () => memory.next())),
      file: () => timed(count * batch, () => repeat(count, () => ahead.next())),
      'a read per row': () =>
        timed(count * batch, () =>
          repeat(count * batch, () =>
            readSync(descriptor, each, 0, each.length, (single[next++ % rows] ?? 0) * each.length),
          ),
        ),
      'copying alone': () => {
        const pieces = Math.floor((4 * record * rows) / piece.length);
        return timed(windowRows, () =>
          repeat(pieces, (i) => readSync(descriptor, piece, 0, piece.length, i * piece.length)),
        );
      },
    };
    // Windows reach their length.
    for (let done = 0; done < 2 * windowRows; done += batch) ahead.next();
    const costs = Object.keys(ways).map(() => [] as Cost[]);
    for (let turn = 0; turn < Number(values.turns); turn++) {
      for (const [i, way] of Object.values(ways).entries()) costs[i]?.push(way());
    }
    const result = Object.fromEntries(
      Object.keys(ways).map((name, i) => [
        name,
        {
          cpuNs: Math.round(median((costs[i] ?? []).map(({ cpuNs }) => cpuNs)) ?? 0),
          wallNs: Math.round(median((costs[i] ?? []).map(({ wallNs }) => wallNs)) ?? 0),
        },
      ]),
    );
    closeSync(descriptor);
    console.log(JSON.stringify({ rows, record, batch, memoryBytes, ...result }, null, 2));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function repeat(count: number, work: (i: number) => void): void {
  for (let i = 0; i < count; i++) work(i);
}
