import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { ConfigError, evaluate, loadModel, train } from 'phantom-parallel';
import { trainingWeighting } from '#src/app/data/weighting.js';
import { openArrays } from '#src/data/arrays.js';
import { inlineBatches } from '#src/data/loader/loader.js';
import { temporaryFolder } from '../support/files.js';

/** One rank, but in the first test. */
const SIZES = { width: 16, depth: 1, blocks: 4, ghosts: 2, ranks: 1, engine: 'wasm' } as const;

function csv(
  context: TestContext,
  header: string,
  rows: readonly (readonly (string | number)[])[],
) {
  const folder = temporaryFolder(context);
  const data = path.join(folder, 'rows.csv');
  writeFileSync(data, [header, ...rows.map((row) => row.join(','))].join('\n'));
  return { folder, data };
}

async function trained(
  context: TestContext,
  { folder, data }: ReturnType<typeof csv>,
  own: object,
) {
  const out = path.join(folder, 'run');
  const settings = { ...SIZES, steps: 120, batch: 30, lr: 0.02, ...own };
  await train({ ...settings, data, validation: data, out });
  const report = await evaluate({ model: out, data, ranks: 1, engine: 'wasm' });
  const model = await loadModel(out, { ranks: 1, engine: 'wasm' });
  context.after(() => model.close());
  return { report, model };
}

const X = Array.from({ length: 60 }, (_, i) => Math.sin(7 * i));
/** Every third row is wrong, and counts for nothing. */
const ROWS = X.map((x, i) => [x, i % 3 === 0 ? -5 : 2 * x, i % 3] as const);

describe('weights of rows', () => {
  it('keep rows of weight 0 out of training and metrics', async (context) => {
    const table = csv(context, 'x,y,w', ROWS);
    const own = { target: ['y'], weightColumn: 'w', ranks: 2 };
    const { report, model } = await trained(context, table, own);
    const answers = await model.predict(X.map((x) => ({ x })));
    let [squares, weight] = [0, 0];
    for (const [i, [, y, w]] of ROWS.entries()) {
      squares += w * (Number(answers[i]?.['y']) - y) ** 2;
      weight += w;
    }
    const { values } = report.metrics;
    const rmse = Math.sqrt(squares / weight);
    assert.ok(Math.abs((values.rmse ?? NaN) - rmse) < 1e-5, `${values.rmse} ${rmse}`);
    assert.ok(rmse < 0.3, String(rmse));
  });

  it('that are all the same change nothing but rounding', async (context) => {
    const losses: number[] = [];
    for (const own of [{ weightColumn: 'w' }, { ignore: ['w'] }]) {
      const table = csv(
        context,
        'x,y,w',
        X.map((x) => [x, x * x, 7]),
      );
      const { report } = await trained(context, table, { ...own, target: ['y'], steps: 20 });
      losses.push(report.loss);
    }
    const [weighted = 0, plain = 0] = losses;
    assert.ok(Math.abs(weighted - plain) < 1e-5 * plain, `${weighted} ${plain}`);
  });

  it('are refused where they are none', async (context) => {
    const wrong = (rows: readonly (readonly (string | number)[])[], message: RegExp) => {
      const table = csv(context, 'x,y,w', rows);
      return assert.rejects(trained(context, table, { target: ['y'], weightColumn: 'w' }), message);
    };
    await wrong([...ROWS, [0, 0, -1]], /column w goes from -1 to 2; weights are at least 0/);
    await wrong([...ROWS, [0, 0, 'NA']], /column w has 1 gaps; every row needs a weight/);
    await wrong(
      ROWS.map(([x, y]) => [x, y, 'much']),
      /column w holds no plain numbers/,
    );
  });

  it('are refused where all rows that are judged weigh nothing', async (context) => {
    const { folder, data: table } = csv(context, 'x,y,w', ROWS);
    const validation = path.join(folder, 'none.csv');
    writeFileSync(validation, 'x,y,w\n1,2,0\n2,3,0\n');
    const own = { target: ['y'], weightColumn: 'w', steps: 2, batch: 30 };
    const out = path.join(folder, 'run');
    const nothing = /the judged rows of .*none\.csv weigh nothing/;
    await assert.rejects(train({ ...SIZES, ...own, data: table, validation, out }), nothing);
    await train({ ...SIZES, ...own, data: table, validation: null, out });
    await assert.rejects(
      evaluate({ model: out, data: validation, ranks: 1, engine: 'wasm' }),
      nothing,
    );
  });
});

const LABELS = [0, 0, 0, 0, 0, 0, 1, 1, 2, 2];
const data = openArrays({ x: LABELS.map((label) => [label]), y: LABELS });

describe('weights of classes', () => {
  it('are those of scikit-learn where they are balanced', () => {
    // compute_class_weight('balanced', …): rows / (classes · rows of the class).
    const found = trainingWeighting(data, null, 'balanced');
    assert.deepEqual(found?.classWeights, [10 / 18, 10 / 6, 10 / 6]);
    assert.ok(Math.abs((found?.factor ?? 0) - 1) < 1e-12);
  });

  it('have a mean of one over the training rows, whatever is asked for', () => {
    const weighting = trainingWeighting(data, null, '1=3, 2=0');
    const parts = { training: data, validation: data };
    for (const oneHot of [false, true]) {
      const schedule = { steps: 1, batchSize: 10, validationRows: 10, validateEvery: 1 };
      const sizes = { firstStep: 0, microBatches: 1, ...schedule };
      const batches = inlineBatches({
        data: parts,
        standardization: null,
        schedule: sizes,
        oneHot,
        weighting,
      });
      // 6 · 1 + 2 · 3 + 2 · 0 = 12 for ten rows.
      const want = LABELS.map((label) => Math.fround(([1, 3, 0][label] ?? 0) * (10 / 12)));
      const [training, validation] = [0, 1].map(() => [...(batches.next()?.y ?? [])].slice(-10));
      assert.deepEqual(training, want);
      assert.deepEqual(
        validation,
        LABELS.map(() => 1),
      );
    }
  });

  it('are refused for other classes and for numbers', () => {
    const numbers = openArrays({ x: [[1], [2]], y: [0.5, 1.5] });
    const wrong = (asked: string, message: RegExp, of = data) =>
      assert.throws(
        () => trainingWeighting(of, null, asked),
        (error) => {
          assert.ok(error instanceof ConfigError);
          assert.match(error.message, message);
          return true;
        },
      );
    wrong('3=1', /"3=1"; give balanced, .* as in 0=2; classes are 0, 1, 2/);
    wrong('1=-2', /"1=-2"/);
    wrong('0=0,1=0,2=0', /the training rows in memory weigh nothing/);
    wrong('balanced', /has no classes; --weight-column/, numbers);
  });
});

describe('several answers of yes or no', () => {
  const rows = X.map((x, i) => {
    const z = Math.cos(11 * i);
    return [x, z, x > 0 ? 'true' : 'false', x + z > 0.5 ? 1 : 0];
  });

  it('are trained, judged and predicted by name', async (context) => {
    const table = csv(context, 'x,z,up,far', rows);
    const { report, model } = await trained(context, table, { target: ['up', 'far'] });
    const { metrics } = report;
    assert.ok(metrics.task === 'multilabel');
    const answers = await model.predict(rows.map(([x = 0, z = 0]) => ({ x, z })));
    assert.deepEqual(Object.keys(answers[0] ?? {}), ['up', 'p(up)', 'far', 'p(far)']);
    const right = rows.map(([, , up, far], i) => [
      answers[i]?.['up'] === up,
      answers[i]?.['far'] === String(far),
    ]);
    assert.equal(metrics.values.accuracy, right.flat().filter(Boolean).length / 120);
    assert.equal(metrics.values.exact, right.filter((row) => row.every(Boolean)).length / 60);
    assert.ok((metrics.values.accuracy ?? 0) > 0.85, String(metrics.values.accuracy));
    assert.ok(Math.abs((metrics.values.logLoss ?? 0) - report.loss) < 1e-6);
    const p = answers.map((answer) => Number(answer['p(up)']));
    assert.ok(Math.min(...p) >= 0 && Math.max(...p) <= 1);
    assert.deepEqual(
      metrics.labels.map(({ name }) => name),
      ['up', 'far'],
    );
  });

  it('are refused where a target has more than two values, or another loss', async (context) => {
    const table = csv(
      context,
      'x,z,up,far',
      rows.map(([x = 0, z = 0, up = '', far = 0], i) => [x, z, up, i === 0 ? 2 : far]),
    );
    const settings = { target: ['up', 'far'], task: 'multilabel' };
    await assert.rejects(trained(context, table, settings), /column far has more than two values/);
    const plain = csv(context, 'x,z,up,far', rows);
    await assert.rejects(
      trained(context, plain, { ...settings, loss: 'huber' }),
      /huber with .*; --task multilabel and binary-cross-entropy go together/,
    );
  });
});
