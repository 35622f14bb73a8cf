import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import {
  type ArrayData,
  DataError,
  evaluate,
  loadModel,
  predict,
  ShapeError,
  train,
} from 'phantom-parallel';
import { writeSafetensors } from '#src/data/safetensors.js';
import { openModel } from '#src/models/model-source.js';
import { temporaryFolder } from '../support/files.js';

/** One rank, but where ranks matter. */
const SIZES = { width: 16, depth: 1, blocks: 4, ghosts: 2, ranks: 1, engine: 'wasm' } as const;

/** Two clouds that a line parts: labels 0 and 1. */
const X = Array.from({ length: 40 }, (_, i) => [
  Math.sin(i),
  Math.cos(3 * i),
  i % 2 === 0 ? 1 : -1,
]);
const LABELS = X.map((_, i) => i % 2);

describe('rows in memory', () => {
  it('train as a file of the same rows does, on any ranks', async (context) => {
    const folder = temporaryFolder(context);
    const settings = { ...SIZES, steps: 12, batch: 8, lr: 0.01 };
    const ends = [];
    for (const ranks of [1, 2]) {
      const out = path.join(folder, `ranks-${ranks}`);
      const data = { x: X, y: LABELS };
      ends.push(await train({ ...settings, ranks, data, validation: 0.25, out }));
    }
    const flat = { data: Float32Array.from(X.flat()), shape: [40, 3] } as const;
    const out = path.join(folder, 'flat');
    ends.push(
      await train({
        ...settings,
        data: { x: flat, y: Uint8Array.from(LABELS) },
        validation: 0.25,
        out,
      }),
    );
    const losses = ends.map(({ loss, validationLoss }) => [loss, validationLoss]);
    assert.deepEqual(losses, [losses[0], losses[0], losses[0]]);
    const [{ validationAccuracy, runFolder }] = ends;
    assert.ok((validationAccuracy ?? 0) > 0.8, String(validationAccuracy));
    const config = JSON.parse(readFileSync(path.join(runFolder, 'config.json'), 'utf8')) as {
      settings: { data: string };
      data: { name: string; trainingRows: number; features: number };
    };
    assert.equal(config.settings.data, 'in memory');
    assert.deepEqual(
      [config.data.name, config.data.trainingRows, config.data.features],
      ['in memory', 30, 3],
    );
  });

  it('count by their weights as rows of a table with a weight column do', async (context) => {
    const folder = temporaryFolder(context);
    const x = X.map((row) => row.map(Math.fround));
    const weights = X.map((_, i) => (i % 5) / 4);
    const file = path.join(folder, 'rows.csv');
    const lines = x.map((row, i) => [...row, LABELS[i], weights[i]].join(','));
    writeFileSync(file, ['a,b,c,label,w', ...lines].join('\n'));
    const settings = { ...SIZES, steps: 12, batch: 8, lr: 0.01, classWeights: '1=3' };
    const table = { target: ['label'], weightColumn: 'w', standardize: 'off' } as const;
    const found = [];
    for (const [name, data, own] of [
      ['memory', { x, y: LABELS, weights }, {}],
      ['table', file, table],
      ['alike', { x, y: LABELS }, {}],
    ] as const) {
      for (const validation of name === 'alike' ? [0.25] : [0.25, data]) {
        const out = path.join(folder, `${name}-${typeof validation}`);
        const { loss, validationLoss } = await train({
          ...settings,
          ...own,
          data,
          validation,
          out,
        });
        const report = await evaluate({ model: out, data, ranks: 1, engine: 'wasm' });
        found.push([loss, validationLoss, report.loss, report.metrics.values.accuracy]);
      }
    }
    assert.deepEqual(found.slice(0, 2), found.slice(2, 4));
    assert.notDeepEqual(found[0], found[4]);
  });

  it('are refused with weights that are none', async () => {
    const refused = (weights: unknown, message: RegExp) =>
      assert.rejects(train({ ...SIZES, data: { x: X, y: LABELS, weights } as ArrayData }), message);
    await refused([1], /weights has 1 numbers; needs one for each of the 40 rows/);
    await refused(2, /weights is 2; needs one for each/);
    await refused(
      LABELS.map(() => -1),
      /row 0 is -1; weights are at least 0/,
    );
    await refused(
      LABELS.map(() => '1'),
      /row 0 is "1"; needs a number/,
    );
    await refused(
      LABELS.map(() => 0),
      /all 0; some rows have to count/,
    );
  });

  it('are given again to resume a run or to evaluate it', async (context) => {
    const folder = temporaryFolder(context);
    const data = { x: X, y: LABELS };
    const settings = { ...SIZES, batch: 8, data, validation: data };
    const whole = await train({ ...settings, steps: 10, out: path.join(folder, 'whole') });
    const first = await train({ ...settings, steps: 6, out: path.join(folder, 'parts') });
    const resume = first.runFolder;
    await assert.rejects(train({ steps: 10 }, { resume }), (error) => {
      assert.ok(error instanceof DataError);
      return /in memory and are in no file; give them again/.test(error.message);
    });
    const end = await train({ data, validation: data, steps: 10 }, { resume });
    assert.equal(end.validationLoss, whole.validationLoss);
    await assert.rejects(evaluate({ model: resume }), /give them again/);
    const { loss, rows } = await evaluate({ model: resume, data, ranks: 1, engine: 'wasm' });
    assert.deepEqual([loss, rows], [whole.validationLoss, 40]);
    const other = { x: X.slice(1), y: LABELS.slice(1) };
    await assert.rejects(
      train({ data: other, validation: data, steps: 12 }, { resume }),
      /trainingRows 39, the run began with 40/,
    );
  });

  it('hold labels, a number or several for each row', async (context) => {
    const folder = temporaryFolder(context);
    const losses = new Map<string, string>();
    const answers = {
      fractions: X.map(([a = 0]) => a),
      integers: X.map((_, i) => [i - 20]),
      several: X,
      floats: Float32Array.from(LABELS),
      labels: LABELS,
    };
    for (const [name, y] of Object.entries(answers)) {
      const out = path.join(folder, name);
      await train({ ...SIZES, steps: 1, batch: 8, data: { x: X, y }, out });
      const { loss } = JSON.parse(readFileSync(path.join(out, 'config.json'), 'utf8')) as {
        loss: string;
      };
      losses.set(name, loss);
    }
    assert.deepEqual([...losses.values()], ['mse', 'mse', 'mse', 'mse', 'cross-entropy']);
  });

  it('hold labels of any coding, whose names are kept', async (context) => {
    const folder = temporaryFolder(context);
    const codings: Record<string, (label: number) => number | string | boolean> = {
      indices: (label) => label,
      signs: (label) => 2 * label - 1,
      texts: (label) => (label === 0 ? 'no' : 'yes'),
      booleans: (label) => label === 1,
    };
    const found: [number | null, unknown][] = [];
    for (const [name, code] of Object.entries(codings)) {
      const out = path.join(folder, name);
      const data = { x: X, y: X.map((_, i) => code(i % 2)) } as ArrayData;
      const { loss } = await train({ ...SIZES, steps: 2, batch: 8, data, out });
      const [target] = openModel(out).schema?.targets ?? [];
      found.push([loss, target?.kind === 'class' ? target.classes.join() : null]);
    }
    const loss = found[0]?.[0];
    const names = [null, '-1,1', 'no,yes', 'false,true'];
    assert.deepEqual(
      found,
      names.map((name) => [loss, name]),
    );
  });

  const refused: [string, ArrayData, typeof ShapeError | typeof DataError, RegExp][] = [
    [
      'ragged rows',
      { x: [[1, 2], [3]], y: [0, 1] },
      ShapeError,
      /x: row 1 has 1 numbers; .*\[rows, 2\]/,
    ],
    ['one row for all', { x: [1, 2] as never, y: [0, 1] }, ShapeError, /row 0 is 1, not an array/],
    [
      'no shape',
      { x: new Float32Array(4) as never, y: [0, 1] },
      ShapeError,
      /without a shape; needs/,
    ],
    [
      'a shape that does not fit',
      { x: { data: new Float32Array(5), shape: [2, 2] }, y: [0, 1] },
      ShapeError,
      /shape \[2, 2\] and 5 numbers/,
    ],
    ['no rows', { x: [], y: [] }, ShapeError, /x has 0 rows/],
    ['too few answers', { x: [[1], [2]], y: [0] }, ShapeError, /x has 2 rows and y 1/],
    ['no answers', { x: [[1], [2]] } as never, ShapeError, /y is undefined; needs an array/],
    [
      'a text',
      { x: [['1'], [2]] as never, y: [0, 1] },
      DataError,
      /column 0 of row 0 is "1"; needs a number/,
    ],
    [
      'texts among numbers',
      { x: [[1], [2]], y: ['a', 1] as never },
      DataError,
      /y: row 1 is 1; needs a string, as row 0 is/,
    ],
    ['NaN', { x: [[1], [Number.NaN]], y: [0, 1] }, DataError, /x\[0\] of row 1 is NaN/],
  ];
  for (const [name, data, kind, message] of refused) {
    it(`refuse ${name} in one clear line`, async (context) => {
      const out = path.join(temporaryFolder(context), 'run');
      await assert.rejects(train({ ...SIZES, steps: 1, batch: 1, data, out }), (error) => {
        assert.ok(error instanceof kind, String(error));
        assert.match(error.message, message);
        return !error.message.includes('\n');
      });
    });
  }

  it('are answered row by row, or all in one', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    await train({ ...SIZES, steps: 1, batch: 8, data: { x: X, y: LABELS }, out });
    const model = await loadModel(out, { engine: 'wasm', ranks: 2, maxBatch: 16 });
    try {
      const flat = await model.predict(Float32Array.from(X.flat()));
      const rows = await model.predict(X);
      assert.deepEqual(
        rows.map((row) => row.length),
        X.map(() => 2),
      );
      assert.deepEqual(
        rows.flatMap((row) => [...row]),
        [...flat],
      );
      assert.deepEqual(await model.predict([]), []);
      await assert.rejects(model.predict(new Float32Array(4)), {
        name: 'ShapeError',
        message: '[predict] x has 4 numbers, which are not whole rows; needs [rows, 3]',
      });
      await assert.rejects(
        model.predict([
          [1, 2, 3],
          [4, 5],
        ]),
        {
          name: 'ShapeError',
          message: '[predict] x: row 1 has 2 numbers; needs [rows, 3], an array per row',
        },
      );
      await assert.rejects(
        model.predict([1, 2, 3] as never),
        /row 0 is 1, not an array; needs \[rows, 3\]/,
      );
    } finally {
      await model.close();
    }
  });
});

describe('labels that are no indices', () => {
  it('keep their names in predictions, and in an evaluation that has only some of them', async (context) => {
    const folder = temporaryFolder(context);
    const write = (name: string, labels: readonly number[]) => {
      const file = path.join(folder, name);
      const data = Float32Array.from(X.slice(0, labels.length).flat());
      writeSafetensors(file, [
        { name: 'x', dtype: 'F32', shape: [labels.length, 3], data },
        { name: 'y', dtype: 'I32', shape: [labels.length], data: Int32Array.from(labels) },
      ]);
      return file;
    };
    const signs = LABELS.map((label) => 2 * label - 1);
    const data = write('signs.safetensors', signs);
    const out = path.join(folder, 'run');
    const common = { ...SIZES, ranks: 1, meter: 'none', batch: 8, lr: 0.02 } as const;
    await train({ ...common, data, validation: 0.25, steps: 40, out });
    const answers = path.join(folder, 'answers.csv');
    await predict({ model: out, data, out: answers });
    const [header, ...rows] = readFileSync(answers, 'utf8').trim().split('\n');
    assert.equal(header, 'y,p(-1),p(1)');
    const right = rows.filter((row, i) => row.startsWith(`${signs[i]},`)).length;
    assert.ok(right >= 38, `${right} of 40`);
    const ones = write(
      'ones.safetensors',
      [1, 1, 1].map((label, i) => (i === 1 ? -1 : label)),
    );
    assert.ok((await evaluate({ model: out, data: ones })).accuracy !== null);
    const only = write('only.safetensors', [-1, -1]);
    const { accuracy } = await evaluate({ model: out, data: only });
    // Rows 0 and 1 are of the classes −1 and 1.
    assert.equal(accuracy, 0.5);
    const other = write('other.safetensors', [1, 7]);
    await assert.rejects(evaluate({ model: out, data: other }), /row 1 is 7; .* are -1, 1/);
    await assert.rejects(train({ ...common, data: only, steps: 2 }), /of the class -1; there is/);
    await assert.rejects(
      train({ ...common, data, target: ['y'], steps: 2 }),
      /no columns with names/,
    );
  });

  it('train in a program that is text (node -e)', (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    const settings = { ...SIZES, ranks: 1, batch: 8, steps: 1, out, data: { x: X, y: LABELS } };
    const program =
      `import { train } from ${JSON.stringify(import.meta.resolve('phantom-parallel'))};` +
      `console.log((await train(${JSON.stringify(settings)})).step);`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
    });
    assert.equal(stdout, '1\n', stderr);
  });
});
