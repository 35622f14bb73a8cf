import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';

import { NativeError } from '../../base/errors.js';
import { Calls, type CallTarget } from './calls.js';

/** Notes what it does, in order; a capture notes nothing, and the graph what was captured. */
class NotingTarget implements CallTarget {
  readonly done: string[] = [];
  readonly graphs = new Map<number, readonly string[]>();
  #captured: string[] | null = null;
  #made = 0;
  fails = false;

  fill(at: number, word: number, count: number): void {
    this.#note(`fill ${at} ${word} ${count}`);
  }
  copy(from: number, to: number, bytes: number): void {
    this.#note(`copy ${from} ${to} ${bytes}`);
  }
  record(event: number): void {
    this.#note(`record ${event}`);
  }
  capture(work: () => void): number {
    const captured: string[] = [];
    this.#captured = captured;
    try {
      work();
    } finally {
      this.#captured = null;
    }
    if (this.fails) throw new NativeError('cuda', 'no graphs here');
    this.graphs.set(++this.#made, captured);
    return this.#made;
  }
  launchGraph(graph: number): void {
    const calls = this.graphs.get(graph);
    assert.ok(calls, `graph ${graph} is gone`);
    this.done.push(...calls);
  }
  destroyGraph(graph: number): void {
    assert.ok(this.graphs.delete(graph));
  }
  #note(call: string): void {
    (this.#captured ?? this.done).push(call);
  }
}

// Few values, so that segments come again; addresses of more than 32 bits.
const value = fc.constantFrom(0, 1, 2 ** 32 + 1, 2 ** 47 + 256);
const operation = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constant('fill' as const), value, value) },
  { weight: 4, arbitrary: fc.tuple(fc.constant('copy' as const), value, value) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('record' as const), value, value) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('submit' as const), value, value) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('alone' as const), value, value) },
);

describe('calls of a device', () => {
  for (const inGraphs of [true, false]) {
    it(`are made in their order, ${inGraphs ? 'as graphs' : 'one by one'}`, () => {
      const step = fc.array(operation, { maxLength: 12 });
      fc.assert(
        fc.property(fc.array(step, { minLength: 1, maxLength: 3 }), (steps) => {
          const target = new NotingTarget();
          const calls = new Calls(target, inGraphs);
          const expected: string[] = [];
          for (let turn = 0; turn < 6; turn++) {
            for (const [name, a, b] of steps[turn % steps.length] ?? []) {
              if (name === 'submit') calls.submit();
              if (name === 'record') calls.record(a);
              if (name === 'fill') calls.fill(a, 7, b);
              if (name === 'copy') calls.copy(a, b, 8);
              if (name === 'alone') calls.alone(() => calls.fill(a, turn, b));
              if (name === 'record') expected.push(`record ${a}`);
              if (name === 'fill') expected.push(`fill ${a} 7 ${b}`);
              if (name === 'copy') expected.push(`copy ${a} ${b} 8`);
              if (name === 'alone') expected.push(`fill ${a} ${turn} ${b}`);
            }
            calls.submit();
            assert.deepEqual(target.done, expected);
          }
          const { single, replayed } = calls.counts;
          const isCall = (call: string) => !call.startsWith('record');
          assert.equal(single + replayed, expected.filter(isCall).length);
          assert.equal(target.graphs.size > 0, calls.counts.captured > 0);
          if (!inGraphs) assert.equal(replayed, 0);
        }),
        { numRuns: 200 },
      );
    });
  }

  it('are captured when they come again, and launched as one from then on', () => {
    const target = new NotingTarget();
    const calls = new Calls(target, true);
    const counts = [0, 1, 2].map(() => {
      calls.fill(64, 0, 3);
      calls.copy(64, 128, 12);
      calls.submit();
      return { ...calls.counts };
    });
    assert.deepEqual(counts, [
      { single: 2, replayed: 0, captured: 0 },
      { single: 2, replayed: 2, captured: 1 },
      { single: 2, replayed: 4, captured: 1 },
    ]);
    // Another argument is another segment.
    calls.fill(64, 1, 3);
    calls.copy(64, 128, 12);
    calls.submit();
    assert.deepEqual([calls.counts.single, target.done.at(-2)], [4, 'fill 64 1 3']);
  });

  it('are made one by one, with a warning, from where a graph cannot be made', (context) => {
    const warn = context.mock.method(process, 'emitWarning', () => {});
    const target = new NotingTarget();
    const calls = new Calls(target, true);
    const work = () => {
      calls.fill(64, 0, 3);
      calls.fill(128, 0, 3);
      calls.submit();
    };
    work();
    target.fails = true;
    work();
    assert.match(
      String(warn.mock.calls[0]?.arguments[0]),
      /no graphs here.*goes on without graphs/,
    );
    target.fails = false;
    for (let i = 0; i < 3; i++) work();
    const one = ['fill 64 0 3', 'fill 128 0 3'];
    assert.deepEqual(target.done, [...one, ...one, ...one, ...one, ...one]);
    assert.deepEqual([target.graphs.size, warn.mock.callCount()], [0, 1]);
    assert.deepEqual(calls.counts, { single: 10, replayed: 0, captured: 0 });
  });

  it('reach the device while others are still made up', () => {
    for (const [inGraphs, late] of [
      [true, 64],
      [false, 1],
    ] as const) {
      const target = new NotingTarget();
      const calls = new Calls(target, inGraphs);
      for (let step = 0; step < 3; step++) {
        target.done.length = 0;
        for (let i = 0; i < 130; i++) {
          calls.fill(i, 0, 1);
          assert.ok(i + 1 - target.done.length <= late, `${i}`);
        }
        calls.submit();
        assert.equal(target.done.length, 130);
      }
      // 64, 64 and 2, which come again with the same cuts.
      assert.equal(target.graphs.size, inGraphs ? 3 : 0);
    }
  });

  it('that never come again take bounded memory, and graphs that were used last stay', () => {
    const target = new NotingTarget();
    const calls = new Calls(target, true);
    const kept = () => {
      calls.fill(64, 0, 3);
      calls.fill(128, 0, 3);
      calls.submit();
    };
    kept();
    kept();
    const before = calls.counts.single;
    const perSegment = 40_000;
    for (let segment = 0; segment < 40; segment++) {
      for (let i = 0; i < perSegment; i++) calls.fill(256, segment, i);
      calls.submit();
      kept();
    }
    assert.deepEqual([target.graphs.size, calls.counts.single], [1, before + 40 * perSegment]);
    // The first of the others has been forgotten: it comes as if for the first time.
    for (let i = 0; i < perSegment; i++) calls.fill(256, 0, i);
    calls.submit();
    assert.equal(target.graphs.size, 1);
    // More than is put off at once.
    target.done.length = 0;
    for (let i = 0; i < 100_000; i++) calls.fill(i, 0, 1);
    calls.submit();
    assert.deepEqual([target.done.length, target.done[99_999]], [100_000, 'fill 99999 0 1']);
  });
});
