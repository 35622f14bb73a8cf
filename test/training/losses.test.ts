import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { evaluate, loadModel, train } from 'phantom-parallel';
import { temporaryFolder } from '../support/files.js';

/** One rank, but in the first test. */
const SIZES = { width: 16, depth: 1, blocks: 4, ghosts: 2, ranks: 1, engine: 'wasm' } as const;

/** 80 rows of x and y = f(x, noise), as CSV. */
function tableOf(context: TestContext, answer: (x: number, noise: number) => string | number) {
  const folder = temporaryFolder(context);
  const data = path.join(folder, 'rows.csv');
  const rows = Array.from({ length: 80 }, (_, i) => {
    const x = Math.sin(7 * i);
    return [x, answer(x, Math.cos(31 * i))];
  });
  writeFileSync(data, ['x,y', ...rows.map((row) => row.join(','))].join('\n'));
  return { folder, data, rows };
}

async function trained(context: TestContext, table: ReturnType<typeof tableOf>, settings: object) {
  const out = path.join(table.folder, 'run');
  const { data } = table;
  await train({ ...SIZES, steps: 150, batch: 40, lr: 0.02, ...settings, data, out });
  const report = await evaluate({ model: out, data, ranks: 1, engine: 'wasm' });
  const model = await loadModel(out, { ranks: 1, engine: 'wasm' });
  context.after(() => model.close());
  const answers = await model.predict(table.rows.map(([x]) => ({ x: x ?? 0 })));
  return { report, answers };
}

/** Root of the mean squared distance of answers to y. */
function distance(table: ReturnType<typeof tableOf>, answers: readonly (number | string | null)[]) {
  const errors = table.rows.map(([, y], i) => Number(answers[i]) - Number(y));
  return Math.sqrt(errors.reduce((sum, error) => sum + error ** 2, 0) / errors.length);
}

describe('what a loss makes of a network', () => {
  it('poisson: rates, also of integers that could be classes', async (context) => {
    const rate = (x: number) => 20 * Math.exp(x);
    const table = tableOf(context, (x, noise) => Math.max(0, Math.round(rate(x) + 4 * noise)));
    const { report, answers } = await trained(context, table, { loss: 'poisson', ranks: 2 });
    assert.ok(report.metrics.task === 'regress');
    const rates = answers.map((answer) => Number(answer['y']));
    assert.ok(Math.min(...rates) > 0);
    const near = Math.abs(distance(table, rates) - (report.metrics.values.rmse ?? 0));
    assert.ok(near < 1e-4, `${distance(table, rates)} ${report.metrics.values.rmse}`);
    assert.ok((report.metrics.values.r2 ?? 0) > 0.9, String(report.metrics.values.r2));
  });

  it('quantile: a band, by name', async (context) => {
    const table = tableOf(context, (x, noise) => 100 * x + 30 * noise);
    const settings = { loss: 'quantile', quantiles: [0.9, 0.1, 0.5] };
    const { report, answers } = await trained(context, table, settings);
    assert.deepEqual(Object.keys(answers[0] ?? {}), ['y_q0.1', 'y_q0.5', 'y_q0.9']);
    const column = (name: string) => answers.map((answer) => Number(answer[name]));
    const share = (name: string) =>
      column(name).filter((answer, i) => Number(table.rows[i]?.[1]) <= answer).length / 80;
    assert.ok(share('y_q0.1') < 0.25 && share('y_q0.9') > 0.75);
    const middle = distance(table, column('y_q0.5'));
    assert.ok(Math.abs(middle - (report.metrics.values.rmse ?? 0)) < 1e-3, String(middle));
    const [lower, upper] = [column('y_q0.1'), column('y_q0.9')];
    const inside = table.rows.filter(
      ([, y], i) => (lower[i] ?? NaN) <= Number(y) && Number(y) <= (upper[i] ?? NaN),
    );
    assert.equal(report.metrics.values.coverage, inside.length / 80);
    assert.ok(inside.length > 40 && inside.length < 80, String(inside.length));
  });

  it('mae and huber: less of a wild value than mse', async (context) => {
    const table = tableOf(context, (x, noise) => (noise > 0.98 ? 500 : x));
    const off: number[] = [];
    for (const loss of ['mse', 'huber', 'mae']) {
      const settings = { loss, huberDelta: 0.01 };
      const { answers } = await trained(
        context,
        { ...table, folder: temporaryFolder(context) },
        settings,
      );
      const errors = table.rows.map(([x], i) => Math.abs(Number(answers[i]?.['y']) - Number(x)));
      off.push(errors.reduce((sum, error) => sum + error, 0) / 80);
    }
    const [mse = 0, huber = 0, mae = 0] = off;
    assert.ok(huber < mse / 2 && mae < mse / 2, off.join());
  });

  it('is refused where the data have something else', async (context) => {
    const table = tableOf(context, (x) => x);
    const wrong = (settings: object, message: RegExp) =>
      assert.rejects(trained(context, table, settings), message);
    await wrong({ loss: 'poisson' }, /column y goes down to -0\.\d+; poisson predicts/);
    await wrong({ loss: 'cross-entropy' }, /\[loss\] cross-entropy needs integer labels/);
    const kinds = tableOf(context, (x) => (x > 0 ? 'a' : 'b'));
    await assert.rejects(trained(context, kinds, { loss: 'mae' }), /mae is not of classes/);
  });
});
