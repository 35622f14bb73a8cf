import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { NetworkCollective } from '../layers/operations.js';
import { bestCollective, collectiveCost, type Topology } from './collectives.js';
import { collectiveSeconds, productSeconds, sizeSeconds } from './interpolate.js';

const close = (actual: number, expected: number, relative = 1e-9) =>
  assert.ok(
    Math.abs(actual - expected) <= relative * Math.abs(expected),
    `${actual} ≠ ${expected}`,
  );

describe('collectives', () => {
  const topology: Topology = {
    perNode: 4,
    within: { latencyS: 1e-6, secondsPerByte: 1e-9 },
    between: { latencyS: 5e-6, secondsPerByte: 1e-8 },
  };

  /** Messages of a ring, step by step. */
  function ring(ranks: number, bytes: number): { messages: number; sent: number } {
    const held = Array.from({ length: ranks }, (_, rank) => new Set([rank]));
    let messages = 0;
    for (let step = 0; held.some((parts) => parts.size < ranks); step++) {
      const passed = held.map((_, rank) => (rank - step + ranks) % ranks);
      for (const [rank, part] of passed.entries()) held[(rank + 1) % ranks]?.add(part);
      messages++;
    }
    return { messages, sent: (messages * bytes) / ranks };
  }

  const size = (collective: NetworkCollective, ranks: number) => ({
    collective,
    ranks,
    wholeBytes: 1e6,
  });

  /** Exchanges of recursive doubling, step by step. */
  function doubling(ranks: number, bytes: number): { messages: number; sent: number } {
    let [messages, held] = [0, 1];
    let sent = 0;
    while (held < ranks) {
      sent += (held * bytes) / ranks;
      held *= 2;
      messages++;
    }
    return { messages, sent };
  }

  it('sends what playing the algorithms sends', () => {
    for (const ranks of [2, 4, 8, 16]) {
      const near = { ...topology, perNode: ranks };
      const rung = collectiveCost(size('all-gather', ranks), 'ring', near);
      assert.equal(rung.messages, ring(ranks, 1e6).messages);
      close(rung.sentBytes, ring(ranks, 1e6).sent);
      close(rung.seconds, rung.messages * 1e-6 + rung.sentBytes * 1e-9);
      const doubled = collectiveCost(size('all-gather', ranks), 'recursive', near);
      assert.equal(doubled.messages, doubling(ranks, 1e6).messages);
      close(doubled.sentBytes, doubling(ranks, 1e6).sent);
      const reduced = collectiveCost(size('all-reduce', ranks), 'recursive', near);
      close(reduced.seconds, 2 * doubled.seconds);
    }
  });

  it('goes between nodes with a share of the bytes, where that is faster', () => {
    const cost = collectiveCost(size('all-gather', 16), 'hierarchical', topology);
    const far = 2 * 5e-6 + 0.75 * 0.25e6 * 1e-8;
    const near = 2 * 1e-6 + 0.75 * 1e6 * 1e-9;
    close(cost.seconds, far + near);
    assert.equal(bestCollective(size('all-gather', 16), topology).algorithm, 'hierarchical');
    assert.equal(bestCollective(size('all-gather', 4), topology).algorithm, 'recursive');
    assert.equal(bestCollective(size('all-gather', 1), topology).seconds, 0);
  });
});

describe('interpolation', () => {
  it('is exact where time is a product of powers, and keeps rates beyond the table', () => {
    const axis = [4, 32, 256];
    const time = (a: number, b: number, c: number) => 1e-9 * a * b * c;
    const list = axis.flatMap((a) => axis.flatMap((b) => axis.map((c) => time(a, b, c))));
    const seconds = { NN: list, NT: list, TN: list };
    const table = { first: axis, second: axis, batch: axis, seconds };
    close(productSeconds(table, 'NN', [10, 100, 77]), time(10, 100, 77));
    close(productSeconds(table, 'NT', [512, 300, 256]), time(512, 300, 256));
    close(productSeconds(table, 'TN', [1, 32, 32]), time(4, 32, 32));
    const times = [
      { size: 10, seconds: 1 },
      { size: 1000, seconds: 10 },
    ];
    close(sizeSeconds(times, 100), Math.sqrt(10));
    close(sizeSeconds(times, 3000), 30);
    const at = (bytes: number, transferS: number) => ({ bytes, startS: 0, transferS, finishS: 1 });
    const found = collectiveSeconds([at(100, 2), at(300, 4), at(500, 10)], 700);
    assert.deepEqual(found, { startS: 0, transferS: 16, finishS: 1 });
    assert.equal(collectiveSeconds([at(100, 2), at(300, 4)], 1).transferS, 2);
  });
});
