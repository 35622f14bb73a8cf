// ONNX graphs that take the columns of a table give what `predict` gives, in ONNX Runtime.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { exportModel, loadModel, train, type TrainSettings } from 'phantom-parallel';
import { temporaryFolder } from '../support/files.js';
import { HOUSES, NETWORK } from '../support/houses.js';
import { onnxRuntime } from '../support/onnx-runtime.js';

const runtime = await onnxRuntime();
const missing = runtime === null && 'no ONNX Runtime: npm ci --prefix test/onnx';

type Row = Record<string, string | number | boolean | null>;

/** Numbers and texts with gaps, booleans, a category named by numbers, and names that the graph has too. */
const ROWS: Row[] = HOUSES.map(({ sqft, kind, age, price }, i) => ({
  x: sqft,
  label: i % 5 === 0 ? null : kind,
  age,
  'y z': i % 11 === 0 ? null : i % 2 === 0,
  joined: [101, 7, 2.5][i % 3] ?? 0,
  heated: i % 3 === 0,
  price,
  state: ['good', 'bad', '7'][i % 3] ?? '',
}));

async function compare(settings: TrainSettings, folder: string, rows: readonly Row[]) {
  const data = path.join(folder, 'rows.csv');
  const names = Object.keys(ROWS[0] ?? {});
  const lines = ROWS.map((row) => names.map((name) => row[name] ?? '').join(','));
  writeFileSync(data, `${[names.join(','), ...lines].join('\n')}\n`);
  const run = path.join(folder, 'run');
  await train({
    data,
    ...NETWORK,
    steps: 10,
    batch: 32,
    categorical: ['joined'],
    out: run,
    ...settings,
  });
  const file = path.join(folder, 'model.onnx');
  const { pipeline } = await exportModel({ model: run, format: 'onnx', out: file });
  assert.equal(pipeline, true);
  const model = await loadModel(run, { engine: 'wasm' });
  const wanted = await model.predict(rows, { onWarning: () => {} });
  const { features = [] } = model.source.schema ?? {};
  await model.close();
  const session = await runtime?.InferenceSession.create(readFileSync(file));
  const feeds = Object.fromEntries(
    features.map(({ name, kind }) => {
      const dims = [rows.length, 1];
      const isText = kind === 'category' && name !== 'joined';
      const cells = rows.map((row) => row[name] ?? null);
      const tensor = isText
        ? new runtime!.Tensor(
            'string',
            cells.map((cell) => String(cell ?? '')),
            dims,
          )
        : new runtime!.Tensor(
            'float32',
            Float32Array.from(cells, (cell) => (cell === null ? Number.NaN : Number(cell))),
            dims,
          );
      return [name, tensor];
    }),
  );
  const found = (await session?.run(feeds)) ?? {};
  return { wanted, found, file, run };
}
const near = (found: ArrayLike<number | string>, wanted: readonly number[]) => {
  assert.equal(found.length, wanted.length);
  for (const [i, value] of wanted.entries()) {
    assert.ok(
      Math.abs(Number(found[i]) - value) <= 1e-5 * Math.max(1, Math.abs(value)),
      `${i}: ${found[i]} ${value}`,
    );
  }
};

describe('an ONNX graph of a table', { skip: missing }, () => {
  /** With categories that training did not have. */
  const rows: Row[] = [...ROWS, { ...ROWS[1], label: 'castle', joined: 9 }];

  for (const [strategy, bins] of [
    ['phantom', 0],
    ['phantom', 5],
    ['tensor', 0],
  ] as const) {
    it(`predicts numbers in their units, ${strategy}, ${bins} bins`, async (context) => {
      const { wanted, found } = await compare(
        { strategy, bins, target: ['price'] },
        temporaryFolder(context),
        rows,
      );
      near(
        found['y']?.data ?? [],
        wanted.map(({ price }) => Number(price)),
      );
    });
  }

  it('names outputs: several targets, quantiles, and answers of yes or no', async (context) => {
    const band = { loss: 'quantile', quantiles: [0.1, 0.9] } as const;
    const cases: [TrainSettings, string[], string[]][] = [
      [{ target: ['price', 'x'] }, ['price', 'x'], ['price', 'x_']],
      [{ target: ['price'] }, ['price'], ['price']],
      [{ target: ['price'], ...band }, ['price_q0.1', 'price_q0.9'], ['price_q0.1', 'price_q0.9']],
      [{ target: ['heated', 'y z'] }, ['p(heated)', 'p(y z)'], ['heated', 'y z']],
    ];
    for (const [settings, wantedNames, names] of cases) {
      const { wanted, found } = await compare(settings, temporaryFolder(context), rows);
      for (const [i, name] of names.entries()) {
        near(
          found[name]?.data ?? [],
          wanted.map((row) => Number(row[wantedNames[i] ?? ''])),
        );
      }
    }
  });

  it('predicts classes by name, with probabilities', async (context) => {
    const { wanted, found } = await compare({ target: ['state'] }, temporaryFolder(context), rows);
    // A column has the usual name.
    assert.deepEqual(
      [...(found['label_']?.data ?? [])],
      wanted.map(({ state }) => state),
    );
    const p = wanted.flatMap((row) =>
      ['7', 'bad', 'good'].map((name) => Number(row[`p(${name})`])),
    );
    near(found['probabilities']?.data ?? [], p);
  });
});

describe('--pipeline', () => {
  it('is of ONNX, and leaves the table out when it is no', async (context) => {
    const folder = temporaryFolder(context);
    const data = path.join(folder, 'rows.csv');
    writeFileSync(data, `a,b\n${'1,2\n2,3.5\n'.repeat(20)}`);
    const run = path.join(folder, 'run');
    await train({ data, ...NETWORK, target: ['b'], steps: 1, batch: 8, out: run });
    const export_ = (format: 'onnx' | 'safetensors', pipeline: boolean | null, name: string) =>
      exportModel({ model: run, format, pipeline, out: path.join(folder, name) });
    const plain = await export_('onnx', false, 'plain.onnx');
    const whole = await export_('onnx', null, 'whole.onnx');
    assert.deepEqual([plain.pipeline, whole.pipeline], [false, true]);
    assert.ok(whole.bytes > plain.bytes);
    await assert.rejects(export_('safetensors', true, 'other'), /pipeline is of the format onnx/);
  });
});
