import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { evaluate, predict, train, type TrainingEvent, type TrainSettings } from 'phantom-parallel';
import { ALL } from '../support/all.js';
import { temporaryFolder } from '../support/files.js';
import { COLUMNS, csv, HOUSES, KINDS, NETWORK } from '../support/houses.js';

async function trained(context: TestContext, settings: TrainSettings) {
  const folder = temporaryFolder(context);
  const data = path.join(folder, 'houses.csv');
  writeFileSync(data, csv(COLUMNS));
  const out = path.join(folder, 'run');
  const end = await train({ data, out, ...NETWORK, steps: 20, batch: 32, ...settings });
  return { folder, data, out, end };
}

async function answers(model: string, data: string, out: string): Promise<string[]> {
  await predict({ model, data, out, meter: 'none', engine: 'wasm', ranks: 1 });
  return readFileSync(out, 'utf8').trim().split('\n');
}

describe("a table of one's own", () => {
  it('is predicted by names: columns in any order, gaps in any spelling, ids carried along', async (context) => {
    const { folder, data, out } = await trained(context, { target: ['price'], id: 'id' });
    const wanted = await answers(out, data, path.join(folder, 'wanted.csv'));
    assert.equal(wanted[0], 'id,price');
    assert.equal(wanted.length, 201);
    assert.match(wanted[1], /^h0,/);
    const spellings = [
      '',
      'NA',
      'NaN',
      'nan',
      '?',
      '-',
      'None',
      'null',
      'N/A',
      '#N/A',
      '<NA>',
      ' ',
    ];
    const orders = fc.shuffledSubarray([...COLUMNS], { minLength: COLUMNS.length });
    await fc.assert(
      fc.asyncProperty(orders, fc.constantFrom(...spellings), async (columns, gap) => {
        const other = path.join(folder, 'other.csv');
        writeFileSync(other, csv(columns, gap));
        assert.deepEqual(await answers(out, other, path.join(folder, 'found.csv')), wanted);
      }),
      { numRuns: ALL ? 12 : 5 },
    );
  });

  it('gives a model whose numbers are in their own units', async (context) => {
    const { folder, data, out } = await trained(context, {
      target: ['price'],
      ignore: ['id'],
      steps: 150,
      lr: 0.01,
    });
    const lines = await answers(out, data, path.join(folder, 'found.csv'));
    assert.equal(lines[0], 'price');
    const errors = HOUSES.map(({ price }, i) => Math.abs(Number(lines[i + 1]) - price));
    const spread = HOUSES.map(({ price }) => Math.abs(price - 360_000));
    const mean = (values: number[]) =>
      values.reduce((sum, value) => sum + value, 0) / values.length;
    assert.ok(mean(errors) < mean(spread) / 4, `${mean(errors)} ${mean(spread)}`);
  });

  it('classifies by names, whatever the labels are called', async (context) => {
    const runs = [];
    for (const coding of [
      ['flat', 'house', 'villa'],
      ['1', '2', '3'],
      ['-7', '0.0', '5'],
    ]) {
      const folder = temporaryFolder(context);
      const data = path.join(folder, 'rows.csv');
      const rows = HOUSES.map(
        ({ sqft, price, kind }) => `${sqft},${price},${coding[KINDS.indexOf(kind)]}`,
      );
      writeFileSync(data, `sqft,price,label\n${rows.join('\n')}\n`);
      const out = path.join(folder, 'run');
      const { loss } = await train({
        data,
        out,
        ...NETWORK,
        steps: 10,
        batch: 32,
        task: 'classify',
      });
      const [header, ...lines] = await answers(out, data, path.join(folder, 'found.csv'));
      const names = coding.map((name) => String(Number.isNaN(Number(name)) ? name : Number(name)));
      assert.equal(header, ['label', ...names.map((name) => `p(${name})`)].join(','));
      runs.push({
        loss,
        lines: lines
          .map((line) => line.split(','))
          .map(([label, ...p]) => [names.indexOf(label), ...p]),
      });
    }
    const [first, ...others] = runs;
    for (const other of others) assert.deepEqual(other, first);
  });

  it('says which task several targets of texts are for', async (context) => {
    const folder = temporaryFolder(context);
    const data = path.join(folder, 'rows.csv');
    const kinds = ['a', 'b', 'c'];
    const rows = HOUSES.map(({ sqft }, i) => `${sqft},${kinds[i % 2]},${kinds[i % 3]},${i % 2}`);
    writeFileSync(data, ['x,two,three,one', ...rows].join('\n'));
    const wrong = (target: string[], message: RegExp) =>
      assert.rejects(train({ data, target, ...NETWORK, steps: 1, out: `${data}.run` }), message);
    await wrong(['two', 'one'], /column two holds texts.*; --task multilabel predicts several/);
    await wrong(['three', 'one'], /only be yes or no; --target three predicts it alone/);
    const task = 'multilabel';
    const end = await train({
      ...{ data, target: ['two', 'one'], task, ...NETWORK },
      ...{ steps: 1, out: path.join(folder, 'run') },
    });
    assert.ok(Number.isFinite(end.loss));
  });

  it('gives the same bits from a cache file as from memory', async (context) => {
    const settings = { target: ['price'], id: 'id', validation: 0.2 };
    const memory = await trained(context, settings);
    const dataCache = temporaryFolder(context);
    const file = await trained(context, { ...settings, dataMemory: 1000, dataCache });
    assert.equal(file.end.loss, memory.end.loss);
    assert.equal(file.end.validationLoss, memory.end.validationLoss);
    assert.deepEqual(readdirSync(dataCache), [], 'the file goes with the run');
    const { loss } = await evaluate({ model: file.out, engine: 'wasm' });
    assert.equal(loss, file.end.validationLoss);
    assert.deepEqual(readdirSync(dataCache), []);
    rmSync(dataCache, { recursive: true });
    await assert.rejects(
      evaluate({ model: file.out }),
      /rows cannot be kept there .* --data-cache/,
    );
  });

  it('is evaluated and continued with the columns as the run knew them', async (context) => {
    const { folder, data, out, end } = await trained(context, {
      target: ['price'],
      ignore: ['id'],
      validation: 0.25,
    });
    const report = await evaluate({ model: out, engine: 'wasm' });
    assert.equal(report.loss, end.validationLoss);
    const lacking = path.join(folder, 'lacking.csv');
    writeFileSync(lacking, csv(['id', 'sqft', 'price']));
    await assert.rejects(
      evaluate({ model: out, data: lacking, engine: 'wasm' }),
      /no columns kind, age/,
    );
    await assert.rejects(answers(out, data, data), /holds the rows themselves/);
    const starts: (string | null)[] = [];
    const onEvent = (event: TrainingEvent) => {
      if (event.type === 'start') starts.push(event.from);
    };
    const healed = await train(
      {
        from: out,
        data,
        ...NETWORK,
        steps: 2,
        out: path.join(folder, 'next'),
      },
      { onEvent },
    );
    assert.ok(Number.isFinite(healed.loss));
    assert.match(
      starts.join(),
      /^.*run.checkpoints.step-\d+ \(step \d+, the best, with validation loss [\d.]+, and the last\)$/,
    );
  });
});
