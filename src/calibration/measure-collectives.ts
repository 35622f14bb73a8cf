import type { CollectiveTime } from '../machine/machine.js';
import type { Communicator, PendingCollective } from '../communicators/communicator.js';
import type { Engine } from '../engines/engine.js';
import { asMatrix, type Matrix } from '../tensor/tensor.js';
import { callSeconds, clockOf, lowerQuartile, rounded } from './clock.js';

/** How collectives are measured. */
export interface CollectiveMeasurement {
  /** Of the larger buffer. */
  readonly bytes: readonly number[];
  /** Whose memory they are of; null: the host's, of which no engine is needed. */
  readonly engine: Engine | null;
  /** Whether ranks take turns on a core or a device. */
  readonly crowded: boolean;
  readonly progress: (share: number) => void;
}

const SAMPLES = 41;
const LARGE_SAMPLES = 15;

/** The times of collectives at several sizes, as this rank sees them. */
export function measureCollectives(
  communicator: Communicator,
  { bytes: most, engine, crowded, progress }: CollectiveMeasurement,
): Record<'allGather' | 'allToAll' | 'reduceScatter' | 'allReduce', CollectiveTime[]> {
  const { size } = communicator;
  const array = (bytes: number) =>
    engine?.allocate([bytes / 4]) ?? new Float32Array(new SharedArrayBuffer(bytes));
  const sizes = most.map((bytes) => Math.ceil(bytes / (4 * size)) * 4 * size);
  const buffers = sizes.map((bytes) => ({
    bytes,
    whole: array(bytes),
    other: array(bytes),
    shard: array(bytes / size),
  }));
  const work: Work = { ...(engine ? deviceWork(engine) : coreWork()), crowded };
  const of = (start: (buffer: (typeof buffers)[number]) => PendingCollective, done: number) =>
    buffers.map((buffer, i) => {
      progress((done + i / buffers.length) / 4);
      return {
        bytes: buffer.bytes,
        ...measure(communicator, () => start(buffer), buffer.bytes, work),
      };
    });
  return {
    allGather: of(({ shard, whole }) => communicator.startAllGather(shard, whole), 0),
    reduceScatter: of(({ shard, whole }) => communicator.startReduceScatterSum(whole, shard), 1),
    allReduce: of(({ whole }) => communicator.startAllReduceSum(whole), 2),
    allToAll: of(({ whole, other }) => communicator.startAllToAll(whole, other), 3),
  };
}

/** What a rank does while a collective is under way. */
interface Work extends Pick<CollectiveMeasurement, 'crowded'> {
  /** For so many seconds, or a little longer. @returns how many */
  readonly begin: (seconds: number) => number;
  /** Whether the rank is at it when `begin` returns; else it is in its wait. */
  readonly isDone: boolean;
  /** Until all that was begun is done. */
  readonly end: () => void;
}

/** A core's. */
const coreWork = (): Omit<Work, 'crowded'> => ({
  begin(seconds) {
    const begun = performance.now();
    while (performance.now() - begun < 1e3 * seconds);
    return seconds;
  },
  isDone: true,
  end() {},
});

/** Small ones, of which any time is made. */
const FACTOR = 128;
/** A device's: products. */
function deviceWork(engine: Engine): Omit<Work, 'crowded'> {
  const [a, b, c] = [0, 1, 2].map(() => asMatrix(engine.allocate([FACTOR, FACTOR]))) as [
    Matrix,
    Matrix,
    Matrix,
  ];
  const multiply = () => engine.gemm(false, false, 1, a, b, 0, c);
  const onceS = callSeconds(multiply, 5, clockOf(engine));
  return {
    begin(seconds) {
      const count = Math.ceil(seconds / onceS);
      for (let i = 0; i < count; i++) multiply();
      return count * onceS;
    },
    isDone: false,
    end: () => engine.synchronize(),
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
  work: Work,
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
      const workedS = work.begin(pauseS);
      const waiting = performance.now();
      pending.wait();
      work.end();
      if (i < 0) continue;
      started.push((begun - before) / 1e3);
      const worked = work.isDone ? waiting : begun + 1e3 * workedS;
      finished.push(Math.max(0, performance.now() - worked) / 1e3);
    }
    return { startS: lowerQuartile(started), finishS: lowerQuartile(finished) };
  };
  const blocking = times(0);
  const wholeS = blocking.startS + blocking.finishS;
  if (work.crowded) {
    // A pause would take the core or the device from the ranks that are waited for.
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
