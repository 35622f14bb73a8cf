import assert from 'node:assert/strict';
import { CollectiveError, ShapeError } from '#src/base/errors.js';
import type { Communicator, Payload, PendingCollective } from '#src/communicators/communicator.js';
import {
  byte,
  checkElements,
  element,
  fill,
  guarded32,
  guarded64,
  guarded8,
  randomIntegers,
  round32,
  round64,
  round8,
  sleepMs,
  treeSum,
} from './communicator-contract-data.js';

/** Runs in every rank alike, throws where the contract is broken. */
export type CommunicatorCase = (communicator: Communicator, thorough: boolean) => void;

/** Nothing, one, around a SIMD block, odd, more than a staging region of the tests, more than a
 * megabyte. */
const LENGTHS = [0, 1, 3, 16, 17, 1001, 40_003, 300_001];
/** Larger groups do without what costs seconds, unless they are to be thorough. */
const lengths = (size: number, thorough: boolean): number[] => {
  const [large, middle] = thorough ? [2, 8] : [0, 4];
  return LENGTHS.filter((n) => n < (size <= large ? 1e6 : size <= middle ? 1e5 : 5000));
};
/** Of collectives that are in flight side by side. */
const lengthsInFlight = (size: number, thorough: boolean): number[] =>
  size <= 4 || thorough ? [4, 3000, 20_001] : [4, 3000];

const sum32 = (size: number, stream: number, i: number): number =>
  treeSum(size, (rank) => element(stream, rank, i), round32);
const sum64 = (size: number, stream: number, i: number): number =>
  treeSum(size, (rank) => element(stream, rank, i), round64);

/** What works, in the order in which it is run. */
export const communicatorCases: Readonly<Record<string, CommunicatorCase>> = {
  'knows its place in the group': (c) => {
    assert.ok(c.size >= 1 && Number.isInteger(c.rank) && c.rank >= 0 && c.rank < c.size);
    assert.ok(c.description.length > 0 && !c.description.includes('\n'));
    assert.ok(c.transport.maxInFlight >= 1);
    const ranks = new Float32Array(c.size);
    c.allGather(new Float32Array([c.rank]), ranks);
    checkElements(ranks, (i) => i, 'ranks');
  },

  'gathers shards in rank order': (c, thorough) => {
    for (const n of lengths(c.size, thorough)) {
      const send = fill(guarded32(n).data, n, c.rank);
      const receive = guarded32(n * c.size);
      c.allGather(send, receive.data);
      const wanted = (i: number): number =>
        round32(element(n, n === 0 ? 0 : Math.floor(i / n), n === 0 ? 0 : i % n));
      checkElements(receive.data, wanted, `all-gather of ${n}`);
      checkElements(send, (i) => round32(element(n, c.rank, i)), 'the sent shard');
      receive.check();
    }
  },

  'gathers in place': (c, thorough) => {
    for (const n of lengths(c.size, thorough).slice(1)) {
      const receive = guarded32(n * c.size);
      const own = receive.data.subarray(c.rank * n, (c.rank + 1) * n);
      c.allGather(fill(own, n, c.rank), receive.data);
      const wanted = (i: number): number => round32(element(n, Math.floor(i / n), i % n));
      checkElements(receive.data, wanted, `all-gather in place of ${n}`);
      receive.check();
    }
  },

  'gathers bytes, also in place': (c, thorough) => {
    for (const n of lengths(c.size, thorough)) {
      const receive = guarded8(n * c.size);
      const own = receive.data.subarray(c.rank * n, (c.rank + 1) * n);
      for (const send of [guarded8(n).data, own]) {
        for (let i = 0; i < n; i++) send[i] = byte(n, c.rank, i);
        c.allGather(send, receive.data);
        const wanted = (i: number): number => round8(byte(n, Math.floor(i / n), i % n));
        checkElements(receive.data, wanted, `all-gather of ${n} bytes`);
      }
      receive.check();
    }
  },

  'sends every rank its shard': (c, thorough) => {
    for (const n of lengths(c.size, thorough)) {
      for (const [send, receive, value, round] of [
        [guarded8(n * c.size), guarded8(n * c.size), byte, round8],
        [guarded32(n * c.size), guarded32(n * c.size), element, round32],
      ] as const) {
        for (let i = 0; i < n * c.size; i++) send.data[i] = value(n, c.rank, i);
        c.allToAll(send.data, receive.data);
        // Shard `rank` of what each rank has sent.
        const wanted = (i: number): number =>
          round(value(n, Math.floor(i / n), c.rank * n + (i % n)));
        checkElements(receive.data, wanted, `all-to-all of ${n}`);
        const sent = (i: number): number => round(value(n, c.rank, i));
        checkElements(send.data, sent, 'what was sent');
        send.check();
        receive.check();
      }
    }
  },

  'sums and scatters by the tree': (c, thorough) => {
    for (const n of lengths(c.size, thorough)) {
      const send = fill(guarded32(n * c.size).data, n, c.rank);
      const receive = guarded32(n);
      c.reduceScatterSum(send, receive.data);
      const wanted = (i: number): number => sum32(c.size, n, c.rank * n + i);
      checkElements(receive.data, wanted, `reduce-scatter of ${n}`);
      checkElements(send, (i) => round32(element(n, c.rank, i)), 'what was sent');
      receive.check();
    }
  },

  'sums everywhere by the tree': (c, thorough) => {
    for (const n of lengths(c.size, thorough)) {
      const buffer = guarded32(n);
      c.allReduceSum(fill(buffer.data, 7, c.rank));
      checkElements(buffer.data, (i) => sum32(c.size, 7, i), `all-reduce of ${n}`);
      buffer.check();
    }
  },

  'sums float64 by the tree': (c, thorough) => {
    for (const n of lengths(c.size, thorough)) {
      const buffer = guarded64(n);
      c.allReduceSum(fill(buffer.data, 8, c.rank));
      checkElements(buffer.data, (i) => sum64(c.size, 8, i), `float64 all-reduce of ${n}`);
      buffer.check();
    }
  },

  'keeps zeros, infinities and NaN': (c) => {
    const buffer = new Float32Array([-0, Infinity, c.rank === 0 ? NaN : 1, 2 ** -149]);
    c.allReduceSum(buffer);
    checkElements(buffer, (i) => [-0, Infinity, NaN, c.size * 2 ** -149][i] ?? 0, 'specials');
  },

  'broadcasts from every rank': (c, thorough) => {
    for (let root = 0; root < c.size; root++) {
      for (const n of lengths(c.size, thorough)) {
        for (const buffer of [guarded32(n), guarded64(n)]) {
          const data: Payload = fill<Payload>(buffer.data, n, c.rank);
          const round = data instanceof Float64Array ? round64 : round32;
          c.broadcast(data, root);
          checkElements(data, (i) => round(element(n, root, i)), `broadcast of ${n}`);
          buffer.check();
        }
      }
    }
  },

  'takes buffers on shared memory': (c) => {
    const receive = shared(5 * c.size);
    c.allGather(fill(shared(5), 3, c.rank), receive);
    checkElements(receive, (i) => round32(element(3, Math.floor(i / 5), i % 5)), 'gathered');
    const sum = fill(shared(5000), 4, c.rank);
    c.allReduceSum(sum);
    checkElements(sum, (i) => sum32(c.size, 4, i), 'summed');
  },

  'holds every rank at a barrier': (c) => {
    for (let late = 0; late < Math.min(3, c.size); late++) {
      if (c.rank === late) sleepMs(20);
      const arrivedNs = new Float64Array(c.size);
      arrivedNs[c.rank] = monotonicNs();
      c.barrier();
      const leftNs = monotonicNs();
      c.allReduceSum(arrivedNs);
      assert.ok(leftNs >= Math.max(...arrivedNs), 'left a barrier before all had arrived');
    }
  },

  'runs collectives side by side, whatever the order of the waits': (c, thorough) => {
    for (const order of ['started', 'reversed', 'by rank'] as const) {
      for (const n of lengthsInFlight(c.size, thorough)) {
        const started = Array.from({ length: Math.min(4, c.transport.maxInFlight) }, (_, i) =>
          startOne(c, i, n + i, 50 + i),
        );
        if (order === 'reversed' || (order === 'by rank' && c.rank % 2 === 1)) started.reverse();
        for (const one of started) one.pending.wait();
        for (const one of started) one.check();
      }
    }
  },

  'lets collectives go on between pieces of work': (c, thorough) => {
    c.progress();
    for (const n of lengthsInFlight(c.size, thorough)) {
      const started = Array.from({ length: Math.min(4, c.transport.maxInFlight) }, (_, i) =>
        startOne(c, i, n + i, 60 + i),
      );
      // Ranks differ in how far they help; late ones in when.
      for (let calls = 100 * c.rank; calls > 0; calls--) c.progress();
      if (c.rank === c.size - 1) sleepMs(5);
      for (const one of started) {
        for (let calls = 50; calls > 0; calls--) c.progress();
        one.pending.wait();
        one.check();
      }
    }
    c.progress();
  },

  'refuses more collectives than may be in flight, and goes on': (c) => {
    const { maxInFlight } = c.transport;
    if (!Number.isFinite(maxInFlight)) return;
    const started = Array.from({ length: maxInFlight }, (_, i) => startOne(c, i, 40, i));
    assert.throws(
      () => c.startAllReduceSum(new Float32Array(4)),
      (error) => error instanceof CollectiveError && error.message.includes(`${maxInFlight} `),
    );
    for (const one of started) one.pending.wait();
    for (const one of started) one.check();
    const last = startOne(c, 1, 40, 9);
    last.pending.wait();
    last.check();
  },

  'refuses sizes that do not fit, without an error message to the others': (c) => {
    assert.throws(() => c.allGather(zeros(2), zeros(2 * c.size + 1)), ShapeError);
    assert.throws(() => c.startReduceScatterSum(zeros(2 * c.size + 1), zeros(2)), ShapeError);
    assert.throws(() => c.allToAll(zeros(2 * c.size), zeros(3 * c.size)), ShapeError);
    if (c.size > 1) {
      assert.throws(() => c.allToAll(zeros(c.size + 1), zeros(c.size + 1)), ShapeError);
    }
    const mixed = (): void => c.allGather(zeros(2), new Uint8Array(2 * c.size));
    assert.throws(mixed, ShapeError);
    assert.throws(() => c.broadcast(zeros(2), c.size), ShapeError);
    assert.throws(() => c.broadcast(zeros(2), -1), ShapeError);
    c.barrier();
  },

  'splits into parts whose ranks keep their order': (c) => {
    const part = c.split(c.rank % 3);
    const members = Array.from({ length: c.size }, (_, rank) => rank).filter(
      (rank) => rank % 3 === c.rank % 3,
    );
    assert.deepEqual([part.size, part.rank], [members.length, members.indexOf(c.rank)]);
    const whom = new Float32Array(part.size);
    part.allGather(new Float32Array([c.rank]), whom);
    assert.deepEqual([...whom], members);
    const buffer = fill(new Float32Array(5000), 11, c.rank);
    part.allReduceSum(buffer);
    const wanted = (i: number): number =>
      treeSum(part.size, (rank) => element(11, members[rank] ?? 0, i), round32);
    checkElements(buffer, wanted, 'all-reduce in a part');
    part.close();
    c.barrier();
  },

  'runs collectives of the whole and of its parts side by side': (c, thorough) => {
    const [low, alone, all] = [c.split(c.rank < c.size / 2 ? 0 : 1), c.split(c.rank), c.split(7)];
    assert.deepEqual([alone.size, alone.rank, all.size, all.rank], [1, 0, c.size, c.rank]);
    for (const n of lengthsInFlight(c.size, thorough)) {
      const started = [c, low, alone, all].map((one, i) => startOne(one, i, n + i, 70 + i));
      // What is sent in many pieces stands still while its rank waits in another group.
      if (n === 4 && c.rank % 2 === 1) started.reverse();
      for (const one of started) one.pending.wait();
      for (const one of started) one.check();
    }
    randomCollectives(low, c.size <= 8 ? 100 : 20, 99);
    for (const one of [low, alone, all]) one.close();
  },

  'splits a part again': (c) => {
    const half = c.split(c.rank < c.size / 2 ? 0 : 1);
    const quarter = half.split(half.rank % 2);
    assert.equal(quarter.size, Math.ceil((half.size - (half.rank % 2)) / 2));
    const sum = Float64Array.of(1);
    quarter.allReduceSum(sum);
    assert.equal(sum[0], quarter.size);
    quarter.close();
    half.barrier();
    half.close();
  },

  'refuses a color that is none, without an error message to the others': (c) => {
    for (const color of [-1, 0.5, Number.NaN, 2 ** 31]) {
      assert.throws(() => c.split(color), ShapeError);
    }
    c.barrier();
  },

  'stays right over many collectives with random delays': (c) => {
    const count = c.size <= 4 ? 2000 : c.size <= 8 ? 500 : 60;
    randomCollectives(c, count, 12_345);
  },
};

/** A clock that the threads and processes of one host share, unlike `performance.timeOrigin`. */
function monotonicNs(): number {
  return Number(process.hrtime.bigint());
}

function shared(length: number): Float32Array {
  return new Float32Array(new SharedArrayBuffer(4 * length));
}

function zeros(length: number): Float32Array {
  return new Float32Array(length);
}

interface Started {
  readonly pending: PendingCollective;
  check(): void;
}

/** Starts a collective of one of four kinds. */
function startOne(c: Communicator, kind: number, n: number, stream: number): Started {
  if (kind % 4 === 3) {
    const send = new Uint8Array(n * c.size).map((_, i) => byte(stream, c.rank, i));
    const receive = new Uint8Array(n * c.size);
    const pending = c.startAllToAll(send, receive);
    const wanted = (i: number): number =>
      round8(byte(stream, Math.floor(i / n), c.rank * n + (i % n)));
    return { pending, check: () => checkElements(receive, wanted, `all-to-all of ${n} bytes`) };
  }
  if (kind % 4 === 0) {
    const receive = new Float32Array(n * c.size);
    const own = receive.subarray(c.rank * n, (c.rank + 1) * n);
    const pending = c.startAllGather(fill(own, stream, c.rank), receive);
    const wanted = (i: number): number => round32(element(stream, Math.floor(i / n), i % n));
    return { pending, check: () => checkElements(receive, wanted, `all-gather of ${n}`) };
  }
  if (kind % 4 === 1) {
    const receive = new Float32Array(n);
    const send = fill(new Float32Array(n * c.size), stream, c.rank);
    const pending = c.startReduceScatterSum(send, receive);
    const wanted = (i: number): number => sum32(c.size, stream, c.rank * n + i);
    return { pending, check: () => checkElements(receive, wanted, `reduce-scatter of ${n}`) };
  }
  const buffer = fill(new Float64Array(n), stream, c.rank);
  const pending = c.startAllReduceSum(buffer);
  const wanted = (i: number): number => sum64(c.size, stream, i);
  return { pending, check: () => checkElements(buffer, wanted, `all-reduce of ${n}`) };
}

/** Random kinds and sizes, the same in every rank; delays and the order of waits are the rank's
 * own. */
export function randomCollectives(c: Communicator, count: number, seed: number): void {
  const common = randomIntegers(seed);
  const own = randomIntegers(seed + 1 + c.rank);
  const inFlight: Started[] = [];
  const finish = (): void => {
    const [one] = inFlight.splice(own(inFlight.length), 1);
    one?.pending.wait();
    one?.check();
  };
  for (let i = 0; i < count; i++) {
    if (own(200) === 0) sleepMs(own(3));
    else if (own(4) === 0) for (let spin = own(3000); spin > 0; spin--) Math.sqrt(spin);
    while (inFlight.length >= Math.min(4, c.transport.maxInFlight)) finish();
    const n = common(50) === 0 ? common(5000) : common(40);
    inFlight.push(startOne(c, common(4), n, i));
    if (common(40) === 0) {
      const root = common(c.size);
      const buffer = new Float32Array([element(i, c.rank, 0)]);
      c.broadcast(buffer, root);
      checkElements(buffer, () => round32(element(i, root, 0)), 'broadcast among others');
    }
    while (inFlight.length > 0 && own(2) === 0) finish();
  }
  while (inFlight.length > 0) finish();
}
