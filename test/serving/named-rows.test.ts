// Rows by the names of their columns, in a program and over HTTP: the answers are those of `predict`.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type LoadedModel, loadModel, predict, train } from 'phantom-parallel';
import { temporaryFolder } from '../support/files.js';
import { COLUMNS, csv, HOUSES, NETWORK } from '../support/houses.js';

const cleanup: (() => unknown)[] = [];
const folder = temporaryFolder({ after: (work: () => unknown) => cleanup.push(work) });
const runs = { prices: path.join(folder, 'prices'), kinds: path.join(folder, 'kinds') };
/** What `predict` writes for the houses. */
const written: Record<keyof typeof runs, Record<string, unknown>[]> = { prices: [], kinds: [] };

before(async () => {
  const data = path.join(folder, 'houses.csv');
  writeFileSync(data, csv(COLUMNS));
  const settings = { data, ...NETWORK, steps: 10, batch: 32, id: 'id' };
  await train({ ...settings, target: ['price'], out: runs.prices });
  await train({ ...settings, target: ['kind'], out: runs.kinds });
  for (const name of ['prices', 'kinds'] as const) {
    const out = path.join(folder, `${name}.jsonl`);
    await predict({ model: runs[name], data, out, meter: 'none', engine: 'wasm', batch: 64 });
    const lines = readFileSync(out, 'utf8').trim().split('\n');
    written[name] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }
});
after(() => cleanup.forEach((work) => work()));

describe('rows by name in a program', () => {
  const answers = async (use: (model: LoadedModel) => Promise<void>, run: string) => {
    const model = await loadModel(run, { engine: 'wasm', maxBatch: 64 });
    try {
      await use(model);
    } finally {
      await model.close();
    }
  };

  it('are answered as in a file', async () => {
    for (const name of ['prices', 'kinds'] as const) {
      await answers(async (model) => {
        const found = await model.predict(HOUSES.map((house) => ({ ...house })));
        const rounded = written[name].map((row) =>
          Object.fromEntries(
            Object.entries(row).map(([key, value]) => [
              key,
              typeof value === 'number' ? Math.fround(value) : value,
            ]),
          ),
        );
        assert.deepEqual(found, rounded);
      }, runs[name]);
    }
  });

  it('may lack the id and the target, and what is not used is said', async () => {
    await answers(async (model) => {
      const notes: string[] = [];
      const row = { age: '?', sqft: 120, kind: 'castle', color: 'red' };
      const [found] = await model.predict([row], { onWarning: (note) => notes.push(note) });
      assert.deepEqual(Object.keys(found ?? {}), ['price']);
      assert.deepEqual(notes, [
        '1 cell of kind with a category that training did not have, such as "castle"',
        'columns that are not used: color',
      ]);
      await assert.rejects(
        model.predict([{ age: null, kind: 'flat' }]),
        /\[predict\] row 0: no column sqft; the model needs it/,
      );
    }, runs.prices);
  });

  it('whose answer is not finite are an error that names the row', async () => {
    await answers(async (model) => {
      const rows = [1, 3e38].map((sqft) => ({ sqft, age: 1, kind: 'flat' }));
      await assert.rejects(model.predict(rows), /row 1: the answer is (-?Infinity|NaN)/);
    }, runs.prices);
    const data = path.join(folder, 'far.csv');
    writeFileSync(data, `sqft,age,kind\n${'1,1,flat\n'.repeat(70)}3e38,1,flat\n`);
    const out = path.join(folder, 'far-answers.csv');
    const asked = { model: runs.prices, data, out, meter: 'none', engine: 'wasm' } as const;
    await assert.rejects(predict({ ...asked, batch: 64 }), /far\.csv, row 70: the answer is/);
  });
});
