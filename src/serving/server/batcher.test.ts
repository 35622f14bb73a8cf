import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadedModel } from '../loaded-model.js';
import { Batcher } from './batcher.js';

/** A connection that nobody has closed. */
const connected = () => Object.assign(new EventEmitter(), { destroyed: false });

/** A model that answers x with itself, a batch whenever the test lets it. */
function controlled(maxBatch: number, maxDelayMs: number, maxQueue = 1000) {
  const batches: string[] = [];
  const underWay: (() => void)[] = [];
  const run = (
    rows: number,
    ghosts: number,
    write: (x: Float32Array) => void,
    read: (y: Float32Array) => void,
  ) => {
    batches.push(`${rows} rows of ${ghosts}`);
    const values = new Float32Array(rows);
    write(values);
    return new Promise((resolve) => {
      underWay.push(() => {
        read(values);
        resolve({ computeS: 0, exposedS: 0 });
      });
    });
  };
  const model = { features: 1, outputs: 1, maxBatch, session: { run } } as unknown as LoadedModel;
  const limits = { maxDelayMs, maxQueue, timeoutMs: 60_000 };
  const batcher = new Batcher(model, limits, () => {});
  let value = 0;
  return {
    batches,
    batcher,
    submit(rows: number, ghosts: number, connection = connected()) {
      const x = Float32Array.from({ length: rows }, () => value++);
      const fill = (out: Float32Array, from: number, count: number) =>
        out.set(x.subarray(from, from + count));
      return batcher
        .submit({ fill, rows, ghosts }, connection)
        .then(({ y }) => assert.deepEqual(y, x));
    },
    /** Answers the oldest batch under way. */
    async answer() {
      underWay.shift()?.();
      await sleep(0);
    },
  };
}

describe('batches of requests with different numbers of ghosts', () => {
  it('have one number each, that of the oldest row', async () => {
    const { batches, submit, answer, batcher } = controlled(4, 0);
    const all = [submit(1, 9)];
    for (const [rows, ghosts] of [
      [1, 1],
      [1, 2],
      [2, 1],
      [6, 2],
      [1, 1],
      [1, 3],
    ] as const) {
      all.push(submit(rows, ghosts));
    }
    assert.equal(batcher.queuedRows, 8, 'the rows of 1 fill a second batch under way');
    for (let i = 0; i < 6; i++) await answer();
    assert.deepEqual(batches, [
      '1 rows of 9',
      '4 rows of 1',
      '4 rows of 2',
      '1 rows of 3',
      '3 rows of 2',
    ]);
    await Promise.all(all);
    await batcher.drain();
  });

  it('let no full batch overtake rows that wait for the ranks alone', async () => {
    const { batches, submit, answer } = controlled(2, 0);
    const all = [submit(2, 7), submit(2, 7), submit(1, 1)];
    for (let i = 0; i < 3; i++) all.push(submit(2, 7));
    for (let i = 0; i < 6; i++) await answer();
    assert.deepEqual(batches, [
      '2 rows of 7',
      '2 rows of 7',
      '1 rows of 1',
      '2 rows of 7',
      '2 rows of 7',
      '2 rows of 7',
    ]);
    await Promise.all(all);
  });

  it('start, when full, before rows that wait for others to share their batch', async () => {
    const { batches, submit, answer } = controlled(2, 500);
    const started = async (count: number) => {
      while (batches.length < count) await sleep(5);
    };
    const all = [submit(1, 1), submit(2, 7), submit(1, 7)];
    assert.deepEqual(batches, ['2 rows of 7']);
    await answer();
    assert.equal(batches.length, 1);
    await started(2);
    assert.deepEqual(batches.slice(1), ['1 rows of 1']);
    await answer();
    await started(3);
    assert.deepEqual(batches.slice(2), ['1 rows of 7']);
    await answer();
    await Promise.all(all);
  });

  it('are without the rows of clients that have left', async () => {
    const { batches, submit, answer, batcher } = controlled(4, 0);
    const leaving = connected();
    const all = [submit(1, 9), submit(1, 1), submit(3, 2), submit(2, 1)];
    const left = submit(3, 1, leaving);
    await assert.rejects(
      Promise.all([left, Promise.resolve().then(() => leaving.emit('close'))]),
      /disconnected/,
    );
    for (let i = 0; i < 3; i++) await answer();
    assert.deepEqual(batches.slice(0, 1), ['1 rows of 9']);
    await Promise.all(all);
    assert.equal(batcher.queuedRows, 0);
  });
});

describe('requests of many rows', () => {
  it('are answered a share at a time, and others in between', async () => {
    const { batches, submit, answer, batcher } = controlled(4, 0);
    const large = submit(40, 1);
    await answer();
    // Two batches of it are under way; those that come now share the next ones with it.
    const small = [submit(1, 1), submit(1, 1), submit(1, 1), submit(1, 1), submit(1, 1)];
    for (let i = 0; i < 4; i++) await answer();
    await Promise.all(small);
    assert.ok(batcher.queuedRows >= 15, 'the large one has waited');
    for (let i = 0; i < 10; i++) await answer();
    await large;
    assert.ok(batches.every((batch) => batch === '4 rows of 1' || batch === '1 rows of 1'));
  });

  it('fill the queue no more than a batch does', async () => {
    const { submit, answer } = controlled(4, 0, 10);
    const all = [submit(1000, 1), submit(1000, 1), submit(1, 1), submit(1, 1)];
    assert.throws(() => submit(1, 1), /rows wait already/);
    for (let i = 0; i < 502; i++) await answer();
    await Promise.all(all);
  });

  it('leave nothing behind when their answer has no room', async () => {
    const { batcher } = controlled(4, 0);
    // More than any machine has.
    assert.throws(
      () => batcher.submit({ fill: () => {}, rows: 2 ** 52, ghosts: 1 }, connected()),
      /no memory for an answer/,
    );
    assert.equal(batcher.queuedRows, 0);
  });
});
