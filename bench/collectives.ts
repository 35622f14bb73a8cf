/**
 * Latency and bandwidth of collectives between threads.
 *
 *     node build/bench/collectives.js [--json] [--ranks 1,2,4] [--staging BYTES]
 *
 * A size is that of the larger buffer: what an all-gather receives, what a reduce-scatter sends,
 * what an all-reduce sums. A time is the median over rounds of the mean over calls in a round, on
 * rank 0, from call to result; between rounds the ranks meet at a barrier. The bandwidth is that
 * size over that time.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { isMainThread } from 'node:worker_threads';
import { Communicator } from '#src/communicators/communicator.js';
import type { RankContext } from '#src/communicators/rank-context.js';
import { launchRanks } from '#src/communicators/threads/launch-ranks.js';
import { runRank } from '#src/communicators/threads/threads-worker.js';
import { loadKernelModule } from '#src/engines/wasm/kernel-module.js';

const SIZES_BYTES = [4, 64, 1024, 16_384, 65_536, 262_144, 1_048_576, 4_194_304];
const ROUNDS = 15;
const ROUND_BYTES = 8 * 1_048_576;

export interface CollectiveTiming {
  readonly collective: 'all-gather' | 'reduce-scatter' | 'all-reduce';
  readonly ranks: number;
  readonly sizeBytes: number;
  readonly medianS: number;
  readonly bytesPerS: number;
}

/** Measures and prints; see the head of this file for the arguments. */
export async function collectivesBench(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'boolean', default: false },
      ranks: { type: 'string', default: '1,2,4' },
      staging: { type: 'string' },
    },
  });
  const timings: CollectiveTiming[] = [];
  for (const ranks of values.ranks.split(',').map(Number)) {
    const { done } = launchRanks<CollectiveTiming[]>({
      size: ranks,
      module: new URL(import.meta.url),
      kernels: loadKernelModule(false),
      ...(values.staging === undefined ? {} : { stagingBytes: Number(values.staging) }),
    });
    timings.push(...((await done)[0] ?? []));
  }
  if (values.json) console.log(JSON.stringify({ cores: availableParallelism(), timings }, null, 2));
  else print(timings);
}

function print(timings: readonly CollectiveTiming[]): void {
  console.log(`threads on ${availableParallelism()} cores; µs (GB/s)`);
  const kinds = ['all-gather', 'reduce-scatter', 'all-reduce'] as const;
  console.log(
    ['ranks'.padEnd(6), 'bytes'.padStart(9), ...kinds.map((k) => k.padStart(20))].join(''),
  );
  for (const ranks of new Set(timings.map((one) => one.ranks))) {
    for (const sizeBytes of SIZES_BYTES) {
      const cells = kinds.map((kind) => {
        const timing = timings.find(
          (one) => one.ranks === ranks && one.sizeBytes === sizeBytes && one.collective === kind,
        );
        if (timing === undefined) return '–'.padStart(20);
        const { medianS, bytesPerS } = timing;
        return `${(medianS * 1e6).toFixed(2)} (${(bytesPerS / 1e9).toFixed(2)})`.padStart(20);
      });
      console.log([String(ranks).padEnd(6), String(sizeBytes).padStart(9), ...cells].join(''));
    }
  }
}

function measure({ transport, rank }: RankContext<unknown>): CollectiveTiming[] {
  const communicator = new Communicator(transport);
  const { size } = communicator;
  const timings: CollectiveTiming[] = [];
  for (const sizeBytes of SIZES_BYTES) {
    const whole = new Float32Array(sizeBytes / 4);
    const shard = new Float32Array(sizeBytes / 4 / size);
    const calls: [CollectiveTiming['collective'], () => void][] = [
      ['all-reduce', () => communicator.allReduceSum(whole)],
    ];
    // Smaller sizes have no element for every rank.
    if (Number.isInteger(sizeBytes / 4 / size)) {
      calls.push(
        ['all-gather', () => communicator.allGather(shard, whole)],
        ['reduce-scatter', () => communicator.reduceScatterSum(whole, shard)],
      );
    }
    for (const [collective, call] of calls) {
      const medianS = medianTimeS(communicator, call, sizeBytes);
      timings.push({ collective, ranks: size, sizeBytes, medianS, bytesPerS: sizeBytes / medianS });
    }
  }
  return rank === 0 ? timings : [];
}

function medianTimeS(communicator: Communicator, call: () => void, sizeBytes: number): number {
  const repeats = Math.max(8, Math.min(1000, Math.floor(ROUND_BYTES / sizeBytes)));
  const rounds: number[] = [];
  // The first rounds warm up caches and the compiler.
  for (let round = -3; round < ROUNDS; round++) {
    communicator.barrier();
    const started = performance.now();
    for (let i = 0; i < repeats; i++) call();
    if (round >= 0) rounds.push((performance.now() - started) / 1000 / repeats);
  }
  rounds.sort((a, b) => a - b);
  return rounds[rounds.length >> 1] ?? Number.NaN;
}

if (!isMainThread) await runRank(measure);
else if (process.argv[1] === new URL(import.meta.url).pathname) {
  await collectivesBench(process.argv.slice(2));
}
