import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PendingCollective, Transport } from '../communicator.js';
import { SoloTransport } from '../solo/solo-transport.js';
import { emptyCommunicationRecord, RecordingTransport } from './recording-transport.js';

function spin(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

/** Moves nothing; a wait takes 4 ms, a start 2 ms. */
function pretend(rank: number, size: number): Transport {
  const pending: PendingCollective = { wait: () => spin(4) };
  const start = (): PendingCollective => {
    spin(2);
    return pending;
  };
  return {
    name: 'pretended',
    description: 'moves nothing',
    rank,
    size,
    maxInFlight: 4,
    needsProgress: true,
    progress: () => spin(5),
    startAllGather: start,
    startAllToAll: start,
    startReduceScatterSum: start,
    startAllReduceSum: start,
    broadcast: () => spin(3),
    barrier: () => spin(3),
    split: (color) => pretend(color, 2),
    abort: () => {},
    close: () => {},
  };
}

/** Calls, bytes sent, bytes received. */
function counts(recording: RecordingTransport): Record<string, number[]> {
  return Object.fromEntries(
    Object.entries(recording.record).map(([kind, { calls, sentBytes, receivedBytes }]) => [
      kind,
      [calls, sentBytes, receivedBytes],
    ]),
  );
}

test('counts bytes by the convention', () => {
  const recording = new RecordingTransport(pretend(1, 4));
  const shard = new Float32Array(10);
  const whole = new Float32Array(40);
  recording.startAllGather(shard, whole).wait();
  recording.startAllGather(shard, whole).wait();
  recording.startAllToAll(whole, whole.slice()).wait();
  recording.startAllToAll(new Uint8Array(12), new Uint8Array(12)).wait();
  recording.startReduceScatterSum(whole, shard).wait();
  recording.startAllReduceSum(shard).wait();
  recording.startAllReduceSum(new Float64Array(1)).wait();
  recording.broadcast(shard, 1);
  recording.broadcast(shard, 0);
  recording.barrier();
  assert.deepEqual(counts(recording), {
    allGather: [2, 2 * 3 * 40, 2 * 3 * 40],
    allToAll: [2, 3 * 40 + 3 * 3, 3 * 40 + 3 * 3],
    reduceScatter: [1, 3 * 40, 3 * 40],
    // ⌈10 / 4⌉ = 3 float32, and one float64.
    allReduce: [2, 2 * 3 * 3 * 4 + 2 * 3 * 8, 2 * 3 * 3 * 4 + 2 * 3 * 8],
    broadcast: [2, 3 * 40, 40],
    barrier: [1, 0, 0],
  });
  const before = recording.snapshot();
  recording.reset();
  assert.deepEqual(recording.record, emptyCommunicationRecord());
  assert.equal(before.allGather.calls, 2);
});

test('a group of one moves no bytes', () => {
  const recording = new RecordingTransport(new SoloTransport());
  const shard = new Float32Array([1, 2]);
  const whole = new Float32Array(2);
  recording.startAllGather(shard, whole).wait();
  recording.broadcast(shard, 0);
  assert.deepEqual([...whole], [1, 2]);
  assert.deepEqual(counts(recording)['allGather'], [1, 0, 0]);
  assert.deepEqual(counts(recording)['broadcast'], [1, 0, 0]);
});

test('counts calls for progress as exposed, for the oldest collective under way', () => {
  const recording = new RecordingTransport(pretend(0, 2));
  recording.progress();
  const buffer = new Float32Array(2);
  const reduce = recording.startAllReduceSum(buffer);
  const gather = recording.startAllGather(buffer, new Float32Array(4));
  recording.progress();
  reduce.wait();
  recording.progress();
  recording.progress();
  gather.wait();
  recording.progress();
  const { allReduce, allGather, barrier } = recording.record;
  // Lower bounds of what was spent: start 2, progress 5, wait 4 ms; gather: twice progress.
  assert.ok(allReduce.exposedS >= 0.011 - 1e-6, `${allReduce.exposedS} s exposed`);
  assert.ok(allGather.exposedS >= 0.016 - 1e-6, `${allGather.exposedS} s exposed`);
  // Under way beside the other's start, progress and wait, which are not its own.
  assert.ok(allGather.postedS >= 0.009 - 1e-6, `${allGather.postedS} s posted`);
  assert.ok(allReduce.postedS >= 0.002 - 1e-6, `${allReduce.postedS} s posted`);
  assert.equal(barrier.exposedS, 0);
});

test('tells time hidden from time exposed', () => {
  const recording = new RecordingTransport(pretend(0, 2));
  const buffer = new Float32Array(2);
  const one = recording.startAllReduceSum(buffer);
  const two = recording.startAllReduceSum(buffer);
  spin(10);
  one.wait();
  two.wait();
  two.wait();
  recording.barrier();
  const { allReduce, barrier } = recording.record;
  // Lower bounds only: a busy machine makes each of them longer.
  assert.ok(allReduce.exposedS >= 2 * 0.006, `${allReduce.exposedS} s exposed`);
  assert.ok(allReduce.postedS >= 0.012 + 0.014, `${allReduce.postedS} s posted`);
  assert.ok(barrier.exposedS >= 0.003 && barrier.postedS === 0);
});

test('a part of the group has counts of its own', () => {
  const whole = new RecordingTransport(pretend(0, 4));
  const part = whole.split(1);
  part.startAllGather(new Float32Array(5), new Float32Array(10)).wait();
  assert.deepEqual([part.rank, part.size], [1, 2]);
  assert.deepEqual(counts(part)['allGather'], [1, 20, 20]);
  assert.deepEqual(counts(whole)['allGather'], [0, 0, 0]);
});
