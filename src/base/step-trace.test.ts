import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { HostPhaseClock, PHASE, PHASES } from './phases.js';
import { ACTIVITIES, ACTIVITY, atMost, type Segment, StepTrace } from './step-trace.js';

/** By activity and what it hides. */
function sums(segments: readonly Segment[]): Map<string, number> {
  const found = new Map<string, number>();
  let began = 0;
  for (const { activity, hides, end } of segments) {
    const key = `${activity} ${hides}`;
    found.set(key, (found.get(key) ?? 0) + end - began);
    began = end;
  }
  return found;
}

function checkSums(found: ReadonlyMap<string, number>, expected: ReadonlyMap<string, number>) {
  for (const key of new Set([...found.keys(), ...expected.keys()])) {
    assert.ok(Math.abs((found.get(key) ?? 0) - (expected.get(key) ?? 0)) < 1e-6, key);
  }
}

const anySegments = fc
  .array(
    fc.record({
      activity: fc.nat(ACTIVITIES.length - 1),
      hides: fc.boolean(),
      length: fc.double({ min: 1e-3, max: 1e3, noNaN: true }),
    }),
    { maxLength: 400 },
  )
  .map((all) => {
    let end = 0;
    return all.map(({ length, ...segment }): Segment => ({ ...segment, end: (end += length) }));
  });

describe('the trace of a step', () => {
  it('shortened keeps order, end and the sum of each activity', () => {
    fc.assert(
      fc.property(anySegments, fc.integer({ min: 16, max: 80 }), (segments, most) => {
        const kept = atMost(segments, most);
        assert.ok(kept.length <= most);
        assert.ok(kept.every(({ end }, i) => end > (kept[i - 1]?.end ?? 0)));
        assert.ok(Math.abs((kept.at(-1)?.end ?? 0) - (segments.at(-1)?.end ?? 0)) < 1e-6);
        checkSums(sums(kept), sums(segments));
        if (segments.length <= most) assert.deepEqual(kept, segments);
      }),
    );
  });

  it('adds up to the times of the phases, however often they change', (context) => {
    let atMs = 0;
    context.mock.method(performance, 'now', () => atMs);
    const changes = fc.array(fc.nat(PHASES.length - 1), { maxLength: 9000, minLength: 1 });
    fc.assert(
      fc.property(changes, (phases) => {
        const [clock, trace] = [new HostPhaseClock(), new StepTrace()];
        clock.beginPass(ACTIVITY.backward);
        clock.traceTo(trace);
        for (const [i, phase] of phases.entries()) {
          atMs += 1 + (i % 5);
          clock.enter(phase);
        }
        clock.traceTo(null);
        const timesS = clock.timesS();
        const found = sums(trace.segments(5000));
        const of = (activity: number) => (found.get(`${activity} false`) ?? 0) / 1000;
        const near = (a: number, b: number | undefined) => Math.abs(a - (b ?? 0)) < 1e-6;
        for (const name of ['waiting', 'optimizer', 'data'] as const) {
          assert.ok(near(of(ACTIVITY[name]), timesS[PHASE[name]]), name);
        }
        const { local, compression, decompression, other } = PHASE;
        const computing = [local, compression, decompression, other].map((i) => timesS[i] ?? 0);
        const sum = computing.reduce((all, timeS) => all + timeS, 0);
        assert.ok(near(of(ACTIVITY.backward), sum), 'backward');
      }),
      { numRuns: 20 },
    );
  });

  it('marks what communication was under way beside, and waiting never', () => {
    const trace = new StepTrace();
    trace.begin(100);
    trace.add(ACTIVITY.forward, false, 101);
    trace.add(ACTIVITY.forward, true, 103);
    trace.add(ACTIVITY.waiting, true, 104);
    trace.add(ACTIVITY.waiting, false, 106);
    assert.deepEqual(trace.segments(16), [
      { activity: ACTIVITY.forward, hides: false, end: 1 },
      { activity: ACTIVITY.forward, hides: true, end: 3 },
      { activity: ACTIVITY.waiting, hides: false, end: 6 },
    ]);
  });
});
