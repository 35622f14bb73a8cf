import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ConfigError, DataError, train } from 'phantom-parallel';
import { initConfig, inspect } from 'phantom-parallel/data';
import { loadConfigFile } from '#src/settings/config-file.js';
import { writeSafetensors } from '#src/data/safetensors.js';
import { temporaryFolder } from '../support/files.js';

const CASES = fileURLToPath(new URL('../../../test/cases/', import.meta.url));
const HOUSES =
  'sqft,kind,sold,age,price\n' +
  Array.from({ length: 60 }, (_, i) => {
    const age = i % 6 === 0 ? 'NA' : (i * 13) % 90;
    return `${40 + i},${['flat', 'house'][i % 2]},2024-01-${10 + (i % 9)},${age},${1000 * i}`;
  }).join('\n');

describe('inspect', () => {
  it('shows columns, gaps and what a run would make of them, and judges the rest where one is refused', async (context) => {
    const data = path.join(temporaryFolder(context), 'houses.csv');
    writeFileSync(data, HOUSES);
    const found = await inspect(data, { targets: ['price'] });
    assert.ok(found.type === 'table');
    const shown = found.columns.map(({ name, kind, gaps, use }) => [name, kind, gaps, use].join());
    assert.deepEqual(shown, [
      'sqft,integer,0,feature',
      'kind,text,0,feature',
      'sold,date,0,refused',
      'age,integer,10,feature',
      'price,integer,0,target',
    ]);
    assert.deepEqual(found.columns[0]?.range, [40, 99]);
    assert.deepEqual(found.columns[1]?.values.toSorted(), ['flat', 'house']);
    assert.match(found.columns[2]?.why ?? '', /^holds dates; .*--ignore sold/);
    assert.equal(found.problem, null);
    assert.equal(found.schema?.task, 'regress');
    const refused = await inspect(data, { targets: ['sold'] });
    assert.ok(refused.type === 'table' && refused.schema === null);
    assert.match(refused.problem ?? '', /column sold holds dates/);
  });

  it('shows layers, parameters, columns and settings of a run, its checkpoint', async (context) => {
    const folder = temporaryFolder(context);
    const data = path.join(folder, 'houses.csv');
    writeFileSync(data, HOUSES);
    const out = path.join(folder, 'run');
    const small = {
      width: 8,
      blocks: 2,
      ghosts: 2,
      ranks: 1,
      engine: 'wasm',
      meter: 'none',
    } as const;
    const end = await train({
      ...small,
      ...{ data, target: ['price'], ignore: ['sold'], out, steps: 2, batch: 8 },
    });
    for (const [location, kind] of [
      [out, 'run'],
      [end.checkpoint ?? '', 'checkpoint'],
    ] as const) {
      const found = await inspect(location);
      assert.ok(found.type === 'network', location);
      assert.equal(found.kind, kind);
      assert.equal(found.step, 2);
      const layers = found.layers.map(
        ({ name, outputs, inputs }) => `${name} ${outputs}×${inputs}`,
      );
      // sqft, two kinds, age and its marker
      assert.deepEqual(layers, ['input 8×5', 'layers.0 8×8', 'layers.1 8×8', 'head 1×8']);
      const sum = found.layers.reduce((total, { parameters }) => total + parameters, 0);
      assert.equal(sum, found.parameters);
      assert.deepEqual(
        found.schema?.features.map(({ name }) => name),
        ['sqft', 'kind', 'age'],
      );
      assert.equal(found.settings?.batch, 8);
      assert.equal(found.settings?.lr, undefined);
    }
  });

  it('shows tensors of weights, and their layers where the order is proven', async () => {
    const weights = path.join(CASES, 'weights/encoder-decoder/ae.safetensors');
    const both = await inspect(weights);
    assert.ok(both.type === 'weights' && both.layers === null);
    assert.equal(both.tensors.length, 8);
    assert.match(both.problem ?? '', /--prefix decoder\./);
  });

  it('shows the size of arrays', async (context) => {
    const file = path.join(temporaryFolder(context), 'a.safetensors');
    writeSafetensors(file, [
      { name: 'x', dtype: 'F32', shape: [3, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
      { name: 'y', dtype: 'F32', shape: [3, 1], data: Float32Array.of(1, 2, 3) },
    ]);
    assert.deepEqual(await inspect(file), {
      type: 'arrays',
      path: file,
      rows: 3,
      validationRows: 0,
      features: 2,
      range: [1, 6],
      answers: { kind: 'values', width: 1 },
    });
    await assert.rejects(inspect(`${file}.csv`), DataError);
  });
});

describe('init', () => {
  it('writes a config that train takes, and never over a file', async (context) => {
    const folder = temporaryFolder(context);
    const data = path.join(folder, 'a b.csv');
    writeFileSync(data, HOUSES);
    const out = path.join(folder, 'houses.yaml');
    const report = await initConfig({ data, targets: ['price'], out });
    assert.equal(report.out, out);
    assert.match(report.notes.join('\n'), /left out: sold holds dates/);
    const { settings } = loadConfigFile(out);
    assert.equal(settings.data, data);
    assert.deepEqual(settings.target, ['price']);
    assert.deepEqual(settings.ignore, ['sold']);
    assert.equal(settings.validation, 0.1);
    assert.equal(settings.batch, 4);
    const text = readFileSync(out, 'utf8');
    assert.match(text, /# {3}age: integer, 1 to 85, 10 gaps$/m);
    await assert.rejects(initConfig({ data, targets: ['price'], out }), ConfigError);
    assert.equal(readFileSync(out, 'utf8'), text);
  });

  it('writes names that need quotes so that they are read again', async (context) => {
    const folder = temporaryFolder(context);
    const data = path.join(folder, 'odd.csv');
    const names = ['a: b', '#c', 'yes', "it's"];
    const rows = Array.from({ length: 9 }, (_, i) => [i / 2, i * 1.5, i % 4, i / 7].join(','));
    writeFileSync(data, `${names.join(',')}\n${rows.join('\n')}\n`);
    for (const [i, name] of names.entries()) {
      const out = path.join(folder, `${i}.yaml`);
      await initConfig({ data, targets: [name], out });
      assert.deepEqual(loadConfigFile(out).settings.target, [name]);
    }
  });

  it('refuses what has no columns', async () => {
    await assert.rejects(
      initConfig({ data: 'fashion-10k', targets: ['a'] }),
      /no columns with names/,
    );
  });
});
