import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Baseline, gridContestants, groupOf } from './contestants.js';
import { frontierFigures, frontierTables, frontierVerdict } from './frontier-tables.js';
import { type Frontier, frontierStudy } from './frontier.js';
import type { Outcome } from './outcome.js';
import type { Budget, Job } from './study.js';

const BASELINE: Baseline = {
  width: 32,
  depth: 2,
  blocks: 4,
  ranks: 2,
  ends: { kind: 'replicated', inputs: 20, outputs: 3 },
  ghosts: [1, 4],
  residual: null,
  endChoices: { input: 'replicated', head: 'replicated' },
  loss: 'cross-entropy',
};
const GRID = { widths: [8, 16, 32], depths: [1, 2] };
const BUDGET: Budget = {
  ...{ rates: [0.1, 0.01], seeds: [0, 1, 2], sweepSeed: 3, searched: 0, patience: 1 },
};
const BATCH = 10;

/** Losses fall as parameters to −1/2; phantom networks have those of 4 times their size. */
function pretend(isBad: (job: Job) => boolean = () => false) {
  const jobs: Job[] = [];
  const run = (job: Job): Promise<Outcome> => {
    jobs.push(job);
    const { contestant, rate, seed, target } = job;
    const { parameters, strategy, ranks } = contestant;
    const size = parameters * (strategy === 'phantom' ? 4 : 1);
    const best = strategy === 'phantom' ? 0.1 : 0.01;
    const loss = (1 + seed / 100) * (rate === best ? 1 : 2) * size ** -0.5;
    const bad = isBad(job);
    return Promise.resolve({
      ...{ contestant: contestant.name, rate, seed, target, steps: 100 },
      failure: bad ? 'loss is not finite' : null,
      validationLoss: bad ? null : loss,
      validationAccuracy: null,
      validations: [
        [50, loss * 2],
        [80, loss],
        [100, loss * 1.1],
      ],
      ...{ stepTimeS: 2, stepEnergyJ: 3, energyObtained: 'modelled', meter: 'pretended' },
      ...{ parameters, flopsPerStep: (6 * parameters * BATCH) / ranks },
      receivedBytesPerStep: contestant.blocks === 1 ? 0 : 40,
      ...{ exposedShare: null, hiddenShare: null, elapsedS: 1, engine: '', runFolder: '' },
    });
  };
  return { jobs, run };
}

const studied = (run: ReturnType<typeof pretend>['run']): Promise<Frontier> =>
  frontierStudy({ baseline: BASELINE, grid: GRID, batch: BATCH }, BUDGET, run);

describe('a frontier', () => {
  it('has every size of every strategy, and dense networks of one block', () => {
    const all = gridContestants(BASELINE, GRID);
    assert.equal(new Set(all.map(({ name }) => name)).size, all.length);
    for (const group of ['dense', 'tensor', 'tensor-paired']) {
      const sizes = all.filter((one) => groupOf(one) === group);
      assert.deepEqual(
        sizes.map(({ depth, width }) => [depth, width]),
        GRID.depths.flatMap((depth) => GRID.widths.map((width) => [depth, width])),
      );
    }
    // K = 4 is more than a block of width 8 / 4 has.
    const phantoms = all.filter((one) => one.strategy === 'phantom' && one.depth === 1);
    assert.deepEqual(
      phantoms.map(({ width, ghosts }) => [width, ghosts]),
      [
        [8, 1],
        [8, 2],
        [16, 1],
        [16, 4],
        [32, 1],
        [32, 4],
      ],
    );
    const dense = all.find((one) => groupOf(one) === 'dense');
    assert.deepEqual([dense?.blocks, dense?.ranks, dense?.name], [1, 1, 'tensor-n8-l1-p1-r1']);
  });

  it('compares the cheapest that reach a loss, each network at its own rate', async () => {
    const { jobs, run } = pretend();
    const found = await studied(run);
    assert.equal(jobs.length, found.entries.length * (2 + 3));
    for (const { contestant, rate } of found.entries) {
      assert.equal(rate, contestant.strategy === 'phantom' ? 0.1 : 0.01);
    }
    assert.ok(found.levels.length >= 6);
    assert.deepEqual(
      found.levels,
      found.levels.toSorted((a, b) => b - a),
    );
    for (const { group, level, cost, bySeed } of found.cheapest) {
      for (const [seed, one] of bySeed.entries()) {
        const reaching = found.entries.filter(
          ({ contestant, outcomes }) =>
            groupOf(contestant) === group && (outcomes[seed]?.validationLoss ?? 9) <= level,
        );
        const least = Math.min(...reaching.map(({ contestant }) => contestant.parameters));
        if (cost === 'parameters') assert.equal(one?.value ?? Infinity, least);
        if (cost === 'flopsPerSample' && one) assert.ok(Math.abs(one.value - 6 * least) < 1e-6);
        // To the loss, not to the end: the loss of half of the steps is twice as high.
        if (cost === 'timeS' && one) assert.ok(one.value === 160 || one.value === 100);
        if (cost === 'bytesPerSample' && one) assert.equal(one.value, group === 'dense' ? 0 : 8);
      }
    }
    const ratios = found.ratios.filter(({ cost }) => cost === 'parameters');
    const known = ratios.flatMap(({ ratio }) => (ratio === null ? [] : [ratio]));
    assert.ok(
      known.length > 6 && known.every(({ median, low, high }) => low <= median && median <= high),
    );
    assert.ok(known.some(({ median }) => median < 0.6));
    // The least loss is a phantom network's, which no other reaches.
    assert.equal(ratios.find(({ level }) => level === found.levels.at(-1))?.ratio, null);
    const bytes = found.ratios.filter(
      (one) => one.against === 'dense' && one.cost === 'bytesPerSample',
    );
    assert.ok(bytes.every(({ ratio }) => ratio === null));
    for (const { points } of found.envelopes) {
      for (const [i, point] of points.entries()) {
        const before = points[i - 1];
        assert.ok(
          !before ||
            (before.cost.median <= point.cost.median && before.loss.median > point.loss.median),
        );
      }
    }
    const tables = frontierTables(found);
    assert.deepEqual(
      tables.map(({ rows }) => rows.length),
      [found.entries.length, ...Array.from({ length: 3 }, () => found.levels.length)],
    );
    for (const { head, rows } of tables)
      for (const row of rows) assert.equal(row.length, head.length);
    assert.equal(frontierFigures(found).length, 5);
    for (const { series } of frontierFigures(found)) {
      assert.ok(series.some(({ label }) => label === 'phantom'));
    }
    assert.match(frontierVerdict(found), /parameters of dense at 0\.\d+/);
  });

  it('says which networks did not train', async () => {
    const { run } = pretend(
      ({ contestant: { name }, seed }) => name === 'tensor-n8-l1-p4-r2' && seed === 1,
    );
    const found = await studied(run);
    assert.deepEqual(found.failed, ['tensor-n8-l1-p4-r2']);
    assert.match(frontierTables(found)[0]?.remark ?? '', /every seed: tensor-n8-l1-p4-r2\.$/);
  });
});
