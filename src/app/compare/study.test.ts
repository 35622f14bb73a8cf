import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { equalParameters, equalWidth, type Baseline, smallerPhantoms } from './contestants.js';
import type { Outcome } from './outcome.js';
import { ratiosOf, spreadOf } from './statistics.js';
import { type Budget, type Job, study } from './study.js';
import { comparisonFigures, verdictOf } from './comparison-page.js';
import { tablesOf } from './tables.js';

const BASELINE: Baseline = {
  width: 64,
  depth: 2,
  blocks: 4,
  ranks: 4,
  ends: { kind: 'replicated', inputs: 20, outputs: 3 },
  residual: null,
  endChoices: { input: 'replicated', head: 'replicated' },
  loss: 'cross-entropy',
  ghosts: [2, 8],
};
const BUDGET: Budget = {
  rates: [0.1, 0.01, 1],
  seeds: [0, 1, 2],
  sweepSeed: 3,
  searched: 8,
  patience: 2,
};

/** A world in which a network's loss is known: the rate 0.01 is best, 1 diverges. */
function pretend(lossOf: (job: Job) => number) {
  const jobs: Job[] = [];
  const run = (job: Job): Promise<Outcome> => {
    jobs.push(job);
    const { contestant, rate, seed, target } = job;
    const loss = lossOf(job) * (rate === 0.01 ? 1 : 1.5) + seed / 1000;
    const reached = target !== null && loss <= target;
    return Promise.resolve({
      ...{ contestant: contestant.name, rate, seed, target, steps: 100 },
      failure: rate === 1 ? 'loss is not finite' : null,
      validationLoss: rate === 1 ? null : loss,
      validationAccuracy: null,
      validations: [
        [50, loss * 2],
        [reached ? 80 : 100, loss],
      ],
      ...{ stepTimeS: contestant.parameters * 1e-6 * (1 + seed / 10) },
      ...{
        stepEnergyJ: contestant.parameters * 1e-4,
        energyObtained: 'modelled',
        meter: 'pretended',
      },
      ...{ parameters: contestant.parameters, flopsPerStep: 1, receivedBytesPerStep: 1 },
      ...{ exposedShare: null, hiddenShare: null, elapsedS: 1, engine: '', runFolder: '' },
    });
  };
  return { jobs, run };
}

describe('contestants', () => {
  it('of the same width: both tensor forms and a phantom for each K', () => {
    assert.deepEqual(
      equalWidth({ ...BASELINE, ghosts: [2, 8, 99] }).map(({ name }) => name),
      [
        'tensor-n64-p4-r4',
        'tensor-paired-n64-p4-r4',
        'phantom-n64-p4-k2-r4',
        'phantom-n64-p4-k8-r4',
        'phantom-n64-p4-k16-r4',
      ],
    );
  });

  it('of the same number of parameters: no other width comes nearer', () => {
    const wanted = equalWidth(BASELINE)[0]?.parameters ?? 0;
    const alike = equalParameters(BASELINE);
    assert.equal(alike.length, 2);
    for (const { width, ghosts, parameters } of alike) {
      const count = (N: number) => {
        const M = N / 4;
        return 2 * (4 * (M * M + 4 * ghosts * M) + N) + N * 20 + N + 3 * N + 3;
      };
      assert.equal(parameters, count(width));
      for (const other of [width - 4, width + 4]) {
        assert.ok(Math.abs(parameters - wanted) <= Math.abs(count(other) - wanted));
      }
    }
    assert.deepEqual(equalParameters({ ...BASELINE, ends: { kind: 'sharded' } }), []);
  });

  it('smaller phantoms: ascending, each smaller than the dense one, on ranks that fit', () => {
    const all = smallerPhantoms(BASELINE);
    const sizes = all.map(({ parameters }) => parameters);
    assert.deepEqual(
      sizes,
      sizes.toSorted((a, b) => a - b),
    );
    assert.ok(sizes.every((size) => size < (equalWidth(BASELINE)[0]?.parameters ?? 0)));
    const share = (equalWidth(BASELINE)[0]?.parameters ?? 0) / BASELINE.ranks;
    for (const { parameters, blocks, ranks } of all) {
      assert.ok(parameters / ranks <= share || ranks === blocks);
      assert.ok(ranks === 1 || parameters / (ranks / 2) > share);
    }
    assert.deepEqual(new Set(all.map(({ ranks }) => ranks)), new Set([1, 2, 4]));
    assert.ok(
      all.every(({ blocks, ranks, width }) => blocks % ranks === 0 && width % blocks === 0),
    );
  });
});

describe('a study', () => {
  it('gives every contestant the same rates, takes the best, and interleaves the seeds', async () => {
    const { jobs, run } = pretend(({ contestant }) => 100 / contestant.parameters);
    const found = await study(BASELINE, { ...BUDGET, searched: 0 }, run);
    const names = [...new Set(jobs.map(({ contestant }) => contestant.name))];
    assert.equal(names.length, 6);
    const swept = jobs.slice(0, 18);
    assert.ok(swept.every(({ seed, target }) => seed === 3 && target === null));
    for (const name of names) {
      const rates = swept.filter(({ contestant }) => contestant.name === name);
      assert.deepEqual(
        rates.map(({ rate }) => rate),
        BUDGET.rates,
      );
    }
    const rounds = jobs.slice(18, 36);
    assert.ok(rounds.every(({ rate }) => rate === 0.01));
    const order = [names, names.toReversed(), names].flat();
    assert.deepEqual(
      rounds.map(({ contestant }) => contestant.name),
      order,
    );
    assert.deepEqual(
      found.equalWidth?.map(({ outcomes }) => outcomes.length),
      [3, 3, 3, 3],
    );
  });

  it('takes the tensor-parallel loss as the target, rounded up, and finds the smallest that reaches it', async () => {
    const enough = smallerPhantoms(BASELINE)[5]?.parameters ?? 0;
    const { run } = pretend(({ contestant: { strategy, parameters } }) =>
      strategy !== 'phantom' || parameters >= enough ? 0.5 : 0.6,
    );
    const found = await study(BASELINE, BUDGET, run);
    assert.equal(found.target, 0.502);
    assert.equal(found.smallest?.parameters, enough);
    assert.ok(found.tried.length <= BUDGET.searched);
    assert.ok(found.tried.some(({ reached }) => !reached));
    assert.ok(found.toTarget?.some(({ contestant }) => contestant.name === found.smallest?.name));
    const { width, blocks, ranks } = found.smallest ?? {};
    assert.match(
      verdictOf(found),
      /^phantom-\S+ reached the validation loss 0\.5020 of tensor-\S+ with 0\.\d+× its energy \(modelled\) and 0\.\d+× its time; of the other tensor-parallel networks, tensor-\S+ did with [\d.]+× its energy \(modelled\) and [\d.]+× its time\.$/,
    );
    const [picture] = comparisonFigures(found);
    assert.equal(picture?.title, 'Validation loss against energy, fixed steps');
    assert.deepEqual(
      [found.control?.contestant.name, found.control?.reached],
      [`tensor-n${width}-p${blocks}-r${ranks}`, true],
    );
    assert.ok(found.toTarget?.some(({ contestant }) => contestant === found.control?.contestant));
    const titles = tablesOf(found).map(({ title }) => title);
    assert.match(titles[0] ?? '', /same width: fixed steps, 100 each/);
    assert.match(titles[1] ?? '', /number of parameters: fixed steps/);
    assert.match(titles[2] ?? '', /To the validation loss 0\.5020: convergence/);
    assert.match(titles[3] ?? '', new RegExp(`reaches 0\\.5020: ${found.smallest?.name}`));
    const text = JSON.stringify(tablesOf(found));
    assert.match(text, /energy \(modelled\)/);
    assert.match(text, /Energy is modelled: pretended/);
    assert.match(text, /Control: tensor-n\d+-p\d-r\d, of the width found, reaches it too/);
  });

  it('tells a small tensor-parallel network that does not do what the phantom one does', async () => {
    const { run } = pretend(({ contestant: { strategy, width } }) =>
      strategy !== 'phantom' && width < 64 ? 0.6 : 0.5,
    );
    const found = await study(BASELINE, BUDGET, run);
    assert.equal(found.smallest?.strategy, 'phantom');
    assert.equal(found.control?.reached, false);
    assert.ok(found.toTarget?.every(({ contestant }) => contestant !== found.control?.contestant));
    const text = JSON.stringify(tablesOf(found));
    assert.match(text, /Control: tensor-n\d+-p\d-r\d, of the width found, does not reach it/);
  });

  it('says who missed the loss', async () => {
    const { run } = pretend(({ contestant }) => (contestant.strategy === 'phantom' ? 0.9 : 0.5));
    const found = await study(BASELINE, BUDGET, run);
    assert.equal(found.smallest, null);
    assert.deepEqual(
      found.missed.map(({ strategy }) => strategy),
      Array(4).fill('phantom'),
    );
    assert.match(
      verdictOf(found),
      /^No phantom network reached the validation loss 0\.5020 .* After equal steps phantom-\S+ has the validation loss 0\.9\d+, tensor 0\.5\d+; a step of it takes 0\.\d+×/,
    );
    assert.match(tablesOf(found)[2]?.remark ?? '', /Did not reach it with every seed: phantom-n64/);
  });
});

describe('spreads', () => {
  it('are medians and ends, of pairs, and unknown where one value is', () => {
    assert.deepEqual(spreadOf([3, 1, 2]), { median: 2, low: 1, high: 3 });
    assert.deepEqual(spreadOf([4, 1]), { median: 2.5, low: 1, high: 4 });
    assert.equal(spreadOf([1, null]), null);
    assert.equal(spreadOf([]), null);
    assert.deepEqual(ratiosOf([1, 4], [2, 4]), { median: 0.75, low: 0.5, high: 1 });
    assert.equal(ratiosOf([1], [0]), null);
  });
});
