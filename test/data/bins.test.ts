import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { literal, openDatabase } from '#src/data/tables/database.js';
import { openDataset } from '#src/data/sources.js';
import { featureWriter, rowCodes } from '#src/data/tables/encode.js';
import { readTable, type ReadTableOptions } from '#src/data/tables/read-table.js';
import {
  featureCount,
  type FeatureColumn,
  featureNames,
  parseSchema,
  summarize,
  type TableSchema,
} from '#src/data/tables/schema.js';
import { temporaryFolder } from '../support/files.js';

const number = (changes: Partial<Extract<FeatureColumn, { kind: 'number' }>>): TableSchema => ({
  version: 2,
  task: 'regress',
  features: [
    {
      ...({ name: 'size', kind: 'number', style: null, gaps: false } as const),
      ...{ median: 2, min: 0, max: 8, ...changes },
    },
  ],
  targets: [{ name: 'y', kind: 'number', style: null, mean: 0, scale: 1 }],
  id: null,
  dropped: [],
});

/** `a` is the squares of 0 … 99 with a gap in every tenth row, `b` is 0 or 1. */
const QUERY =
  'select case when i % 10 = 3 then null else i * i end as a, i % 2 as b, i + 0.5 as y ' +
  'from range(100) as r(i)';

const EDGES = [0, 1, 4, 8];

/** The training rows as they are stored, targets among them. */
async function recordsOf(options: ReadTableOptions, location = QUERY) {
  const { parts, schema } = await readTable(location, { targets: ['y'], ...options });
  const { training } = parts;
  if (training.kind !== 'records') throw new TypeError(training.kind);
  return { training, schema, validation: parts.validation };
}

describe('numbers of a table in bins', () => {
  it('are one feature a bin, from 0 to 1, without end below and above all bins', () => {
    const schema = number({ edges: EDGES });
    assert.equal(featureCount(schema), 3);
    assert.deepEqual(featureNames(schema), ['size from 0', 'size from 1', 'size from 4']);
    assert.match(summarize(schema), /1 numeric \(3 bins\)$/);
    const write = featureWriter(schema);
    const of = (value: number) => {
      const out = new Float32Array(3);
      write(rowCodes(Float64Array.of(value), 1), out);
      return [...out];
    };
    assert.deepEqual(of(0.5), [0.5, 0, 0]);
    assert.deepEqual(of(1), [1, 0, 0]);
    assert.deepEqual(of(2.5), [1, 0.5, 0]);
    assert.deepEqual(of(6), [1, 1, 0.5]);
    assert.deepEqual(of(-3), [-3, 0, 0]);
    assert.deepEqual(of(16), [1, 1, 3]);
    const gaps = featureWriter(number({ edges: EDGES, gaps: true }));
    const out = new Float32Array(4);
    gaps(rowCodes(Float64Array.of(Number.NaN), 1), out);
    assert.deepEqual([...out], [1, Math.fround(1 / 3), 0, 1]);
  });

  it('have ascending ends in a schema', () => {
    assert.deepEqual(parseSchema('it', number({ edges: EDGES })), number({ edges: EDGES }));
    for (const edges of [[0, 1], [0, 2, 2], [0, 2, 1], [0, Number.NaN, 2], 'all', null]) {
      assert.throws(() => parseSchema('it', number({ edges: edges as number[] })), /features/);
    }
  });

  it('are between quantiles of the training rows that have a value', async () => {
    const { schema, training } = await recordsOf({ bins: 4, validation: 0.2, seed: 1 });
    const plain = await recordsOf({ validation: 0.2, seed: 1 });
    assert.equal(plain.schema.version, 1);
    assert.equal(schema.version, 2);
    assert.equal(training.rows, 80);
    const { record, source } = plain.training;
    const rows = Array.from({ length: 80 }, (_, i) => [
      ...(source as Float32Array).slice(i * record, (i + 1) * record),
    ]);
    const values = rows.filter(([, gap]) => gap === 0).map(([a]) => a);
    const sorted = values.toSorted((a, b) => a - b);
    const [a, b] = schema.features;
    assert.ok(a?.kind === 'number' && b?.kind === 'number');
    assert.deepEqual(
      a.edges,
      [0, 1, 2, 3, 4].map((i) => sorted[Math.round((i * (sorted.length - 1)) / 4)]),
    );
    // Two values make one bin, which is the number itself.
    assert.equal(b.edges, undefined);
    assert.equal(featureCount(schema), 4 + 1 + 1);
    assert.equal(training.features, 6);
    const write = featureWriter(schema);
    const wanted = rows.map(([value, gap, other, y]) => {
      const row = new Float32Array(6);
      write(rowCodes(Float64Array.of(gap === 1 ? Number.NaN : value, other), 2), row);
      return [...row, y];
    });
    assert.deepEqual([...(training.source as Float32Array)], wanted.flat());
    assert.ok(training.standardization?.scale.every((scale) => scale > 0));
  });

  it('are the same rows from a cache file', async (context) => {
    const cacheFolder = temporaryFolder(context);
    const file = path.join(cacheFolder, 'rows.parquet');
    const database = await openDatabase();
    await database.rows(`copy (${QUERY}) to ${literal(file)}`);
    database.close();
    const wanted = await recordsOf({ bins: 8, validation: 0.2 });
    const found = await recordsOf({ bins: 8, validation: 0.2, memoryBytes: 64, cacheFolder }, file);
    assert.deepEqual(found.schema, wanted.schema);
    assert.deepEqual(found.training.standardization, wanted.training.standardization);
    const { source } = found.training;
    assert.ok('path' in source);
    const { buffer, byteOffset, byteLength } = readFileSync(source.path);
    assert.equal(byteLength, 4 * found.training.record * wanted.training.rows);
    const rows = new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
    assert.deepEqual(rows, Float32Array.from(wanted.training.source as Float32Array));
  });

  it('are read by the schema that a model has, whatever is said', async () => {
    const { schema } = await recordsOf({ bins: 4 });
    const again = await recordsOf({ bins: 9, schema });
    assert.deepEqual(again.schema, schema);
    assert.equal(again.training.features, featureCount(schema));
  });
});

it('a query may be longer than the name of a file', async () => {
  const long = `${QUERY} where i >= 0${' and i >= 0'.repeat(40)}`;
  const { training } = await openDataset(long, { targets: ['y'] });
  assert.equal(training.rows, 100);
});
