import { availableParallelism } from 'node:os';
import type { CollectiveTime } from '../machine/machine.js';
import type { Communicator, PendingCollective } from '../communicators/communicator.js';
import { lowerQuartile, rounded } from './clock.js';

/** Bytes of the larger buffer. */
export const COLLECTIVE_BYTES = [32, 1024, 16_384, 65_536, 262_144, 1_048_576, 4_194_304] as const;
export const LARGEST_COLLECTIVE_BYTES = Math.max(...COLLECTIVE_BYTES);
const SAMPLES = 41;
const LARGE_SAMPLES = 15;

/** The times of collectives at several sizes, as this rank sees them. */
export function measureCollectives(
  communicator: Communicator,
  progress: (share: number) => void,
): Record<'allGather' | 'allToAll' | 'reduceScatter' | 'allReduce', CollectiveTime[]> {
  const { size } = communicator;
  const sizes = COLLECTIVE_BYTES.map((bytes) => Math.ceil(bytes / (4 * size)) * 4 * size);
  const buffers = sizes.map((bytes) => ({
    bytes,
    whole: new Float32Array(new SharedArrayBuffer(bytes)),
    other: new Float32Array(new SharedArrayBuffer(bytes)),
    shard: new Float32Array(new SharedArrayBuffer(bytes / size)),
  }));
  const of = (start: (buffer: (typeof buffers)[number]) => PendingCollective, done: number) =>
    buffers.map((buffer, i) => {
      progress((done + i / buffers.length) / 4);
      return { bytes: buffer.bytes, ...measure(communicator, () => start(buffer), buffer.bytes) };
    });
  return {
    allGather: of(({ shard, whole }) => communicator.startAllGather(shard, whole), 0),
    reduceScatter: of(({ shard, whole }) => communicator.startReduceScatterSum(whole, shard), 1),
    allReduce: of(({ whole }) => communicator.startAllReduceSum(whole), 2),
    allToAll: of(({ whole, other }) => communicator.startAllToAll(whole, other), 3),
  };
}

/**
 * Start and wait at once: the whole time. Then start, something else for longer than that, wait:
 * the rank's own part. What is left goes on beside a rank's work.
 */
function measure(
  communicator: Communicator,
  start: () => PendingCollective,
  bytes: number,
): Omit<CollectiveTime, 'bytes'> {
  const samples = bytes > 100_000 ? LARGE_SAMPLES : SAMPLES;
  const times = (pauseS: number) => {
    const started: number[] = [];
    const finished: number[] = [];
    communicator.barrier();
    // The first ones warm up caches and the compiler.
    for (let i = -5; i < samples; i++) {
      const before = performance.now();
      const pending = start();
      const begun = performance.now();
      while (performance.now() - begun < 1e3 * pauseS);
      const waiting = performance.now();
      pending.wait();
      if (i < 0) continue;
      started.push((begun - before) / 1e3);
      finished.push((performance.now() - waiting) / 1e3);
    }
    return { startS: lowerQuartile(started), finishS: lowerQuartile(finished) };
  };
  const blocking = times(0);
  const wholeS = blocking.startS + blocking.finishS;
  if (communicator.size > availableParallelism()) {
    // A pause would take the core from the ranks that are waited for.
    const startS = rounded(blocking.startS);
    return { startS, transferS: rounded(blocking.finishS), finishS: 0 };
  }
  // Ranks pause alike: in an all-reduce they meet twice.
  const pauseS = Float64Array.of(2 * wholeS);
  communicator.allReduceSum(pauseS);
  const paused = times(Math.min((pauseS[0] ?? 0) / communicator.size, 0.01));
  return {
    startS: rounded(paused.startS),
    transferS: rounded(Math.max(0, wholeS - paused.startS - paused.finishS)),
    finishS: rounded(paused.finishS),
  };
}
