// What ranks did in one step, as a real run on two ranks records it.
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import { train } from 'phantom-parallel';
import { ACTIVITIES } from '#src/base/step-trace.js';
import { runFigures } from '#src/report/run-charts.js';
import { describeRun, readRun } from '#src/runs/run-folders.js';
import type { StepEvent } from '#src/training/events.js';
import { temporaryFolder } from '../support/files.js';

const NETWORK = { width: 32, depth: 2, blocks: 4, ghosts: 2, engine: 'wasm', batch: 16 } as const;
const X = Array.from({ length: 40 }, (_, i) =>
  Array.from({ length: 8 }, (_unused, f) => Math.sin(i * (f + 1))),
);

const pairsOf = (list: readonly number[]) =>
  Array.from({ length: list.length / 2 }, (_, i) => [list[2 * i] ?? 0, list[2 * i + 1] ?? 0]) as [
    number,
    number,
  ][];

describe('the timeline of a step', () => {
  it('is recorded of some steady steps: in order, without overlap, whole, and drawn', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    const steps: StepEvent[] = [];
    const settings = { ...NETWORK, data: { x: X, y: X }, ranks: 2, steps: 15, logEvery: 1, out };
    await train(settings, {
      onEvent: (event) => {
        if (event.type === 'step') steps.push(event);
      },
    });
    const recorded = steps.filter(({ timeline }) => timeline !== undefined);
    // Steady from the 8th on: the 1st, 2nd, 4th and 8th of them.
    assert.deepEqual(
      recorded.map(({ step }) => step),
      [8, 9, 11, 15],
    );
    for (const { timeline = [] } of recorded) {
      assert.deepEqual(
        timeline.map(({ rank }) => rank),
        [0, 1],
      );
      for (const rank of timeline) {
        const all = ACTIVITIES.flatMap((name) => pairsOf(rank[`${name}Us`]));
        const inOrder = all.toSorted(([a], [b]) => a - b);
        let until = 0;
        for (const [start, end] of inOrder) {
          assert.equal(start, until);
          assert.ok(end > start);
          until = end;
        }
        for (const name of ['forward', 'backward', 'waiting', 'optimizer', 'hidden'] as const) {
          assert.ok(rank[`${name}Us`].length > 0, name);
        }
        for (const [start, end] of pairsOf(rank.hiddenUs)) {
          assert.ok(start >= 0 && end > start && end <= until);
          const waits = pairsOf(rank.waitingUs).filter(([a, b]) => a < end && b > start);
          assert.deepEqual(waits, []);
        }
        const first = (list: readonly number[]) => list[0] ?? Number.NaN;
        assert.ok(first(rank.forwardUs) < first(rank.backwardUs));
        assert.ok(first(rank.backwardUs) < first(rank.optimizerUs));
      }
    }
    const run = describeRun(readRun(out));
    assert.deepEqual(run.timeline, { step: 15, ranks: recorded.at(-1)?.timeline });
    const options = { against: 'step', smoothing: 0, selected: [], apart: false } as const;
    const figures = runFigures([run], options).flatMap((group) => group.figures);
    const figure = figures.find(({ kind }) => kind === 'timeline');
    assert.ok(figure?.kind === 'timeline');
    assert.equal(figure.title, 'A step of run in time, rank by rank');
    assert.equal(figure.axis, 'time since step 15 began');
    assert.deepEqual(
      figure.rows.map(({ label }) => label),
      ['rank 0', 'rank 1'],
    );
  });
});
