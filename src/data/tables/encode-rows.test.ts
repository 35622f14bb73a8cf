import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { DataError } from '../../base/errors.js';
import { MISSING_IN_CASES, NUMBER_STYLES } from './cells.js';
import { featureWriter, rowCodes } from './encode.js';
import { NamedColumns, RowEncoder } from './encode-rows.js';
import { type FeatureColumn, featureCount, type TableSchema } from './schema.js';
import { tableRows } from './table-rows.js';

const folder = mkdtempSync(path.join(tmpdir(), 'phantom-rows-test-'));
after(() => rmSync(folder, { recursive: true }));

const schemaOf = (features: readonly FeatureColumn[]): TableSchema => ({
  version: 1,
  task: 'regress',
  features,
  targets: [{ name: 'target', kind: 'number', style: null, mean: 0, scale: 1 }],
  id: 'id',
  dropped: [{ name: 'dropped', why: 'ignored' }],
});

const number = (style: string | null, gaps = true): FeatureColumn => ({
  ...({ name: 'size', kind: 'number', style, gaps } as const),
  ...{ median: 0.1, min: 0, max: 9 },
});
const category = (values: readonly string[], gaps = true): FeatureColumn => ({
  ...({ name: 'kind', kind: 'category', values, gaps } as const),
});
const columns = fc.tuple(
  fc
    .constantFrom(null, ...NUMBER_STYLES.map(({ name }) => name))
    .chain((style) => fc.boolean().map((gaps) => number(style, gaps))),
  fc
    .boolean()
    .chain((gaps) =>
      fc.constantFrom(
        category(['B', 'a', 'a b', 'é', '7'], gaps),
        category(['-1', '0', '0.1', '7', '1000000000000000.0'], gaps),
        category(['false', 'true'], gaps),
      ),
    ),
  fc.boolean().map((gaps): FeatureColumn => ({ name: 'new', kind: 'boolean', gaps })),
);
const blank = fc.constantFrom('', '', ' ', '\t', '\u00a0');
const padded = (text: fc.Arbitrary<string>) =>
  fc.tuple(blank, text, blank).map((parts) => parts.join(''));
const texts = padded(
  fc.oneof(
    fc.constantFrom(...MISSING_IN_CASES),
    fc.constantFrom('a', 'B', 'b', 'a b', 'é', 'true', 'TRUE', 'False', '7', '7.0', '+7', '0.10'),
    fc.constantFrom('1_000', '1__0', '+-5', '5.', '.5', '.', '-.5e1', '1e5', '1e', '1e400', 'inf'),
    fc.constantFrom(
      '1,234',
      '1.234,5',
      '12%',
      '$5',
      '5 €',
      '−3',
      '1D3',
      '-0',
      '1e15',
      '0x1',
      '1 2',
    ),
    fc.double({ noDefaultInfinity: true, noNaN: true }).map(String),
    fc.stringMatching(/^[+-]?[\d_.,]{1,6}(e[+-]?[\d_]{1,2})?$/),
  ),
);

/** Features of rows, as the table reader makes them; null: it refuses them. */
async function readFile(schema: TableSchema, rows: readonly (readonly string[])[]) {
  const file = path.join(folder, 'rows.csv');
  const cell = (text: string) => `"${text}"`;
  const names = [...schema.features.map(({ name }) => name), 'more'];
  const lines = rows.map((row) => [...row, 'x'].map(cell).join(','));
  writeFileSync(file, `${[names.join(','), ...lines].join('\n')}\n`);
  const features = featureCount(schema);
  const notes: string[] = [];
  const x: number[] = [];
  try {
    const pieces = tableRows({ location: file, schema, features }, 100, (note) => notes.push(note));
    for await (const piece of pieces) x.push(...piece.x);
  } catch (error) {
    assert.ok(error instanceof DataError, String(error));
    return null;
  }
  return x.every(Number.isFinite) ? { x, notes } : null;
}

/** The same of one row that is an object. */
function encode(schema: TableSchema, encoder: RowEncoder, cells: readonly string[]) {
  const names = schema.features.map(({ name }) => name);
  const row = Object.fromEntries([['more', 'x'], ...names.map((name, i) => [name, cells[i]])]);
  const codes = new Float64Array(encoder.width);
  encoder.encode(0, row, codes, 0);
  const x = new Float32Array(featureCount(schema));
  featureWriter(schema)(rowCodes(codes, encoder.width), x);
  return [...x];
}
const encoderOf = (schema: TableSchema) =>
  new RowEncoder(new NamedColumns(schema), (what) => new DataError('rows', what));

describe('rows that are objects', () => {
  it('become the features that the table reader makes of the same cells', async () => {
    const rows = fc.array(fc.tuple(texts, texts, texts), { minLength: 40, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(columns, rows, async (features, cells) => {
        const schema = schemaOf(features);
        const encoder = encoderOf(schema);
        const [, kind] = features;
        const known = kind.kind === 'category' ? (kind.values[0] ?? '') : '';
        const taken: { row: readonly string[]; x: number[] }[] = [];
        let refused: readonly string[] | null = null;
        for (const row of cells) {
          // Of each column in turn: most cells are refused by two columns of three.
          for (const place of [0, 1, 2]) {
            const one = ['1', known, 'true'].with(place, row[place] ?? '');
            try {
              taken.push({ row: one, x: encode(schema, encoder, one) });
            } catch (error) {
              assert.ok(error instanceof DataError, String(error));
              refused = one;
            }
          }
        }
        const read = await readFile(
          schema,
          taken.map(({ row }) => row),
        );
        assert.ok(read !== null, 'refused');
        const width = featureCount(schema);
        for (const [i, { row, x }] of taken.entries()) {
          assert.deepEqual(read.x.slice(i * width, (i + 1) * width), x, JSON.stringify(row));
        }
        assert.deepEqual(encoder.notes, read.notes);
        if (refused !== null)
          assert.equal(await readFile(schema, [refused]), null, String(refused));
      }),
      { numRuns: 8, endOnFailure: true },
    );
  });

  it('may hold numbers, booleans and null', () => {
    const schema = schemaOf([
      number(null),
      category(['7', '8']),
      { name: 'new', kind: 'boolean', gaps: false },
    ]);
    const x = (row: object) => {
      const codes = new Float64Array(3);
      encoderOf(schema).encode(0, row, codes, 0);
      return [...codes];
    };
    assert.deepEqual(x({ new: true, kind: 8, size: 0.1, id: 3 }), [0.1, 1, 1]);
    assert.deepEqual(x({ size: null, kind: Number.NaN, new: false }), [Number.NaN, Number.NaN, 0]);
  });

  it('are refused with what is missing or wrong, by name', () => {
    const schema = schemaOf([number(null), category(['a', 'b'])]);
    const refusal = (row: object) => {
      try {
        encoderOf(schema).encode(3, row, new Float64Array(2), 0);
      } catch (error) {
        return (error as Error).message;
      }
      return assert.fail('it was taken');
    };
    assert.match(refusal({ target: 1 }), /row 3: no columns size, kind; the model needs them/);
    assert.match(refusal(Object.create({ size: 1, kind: 'a' })), /no columns size, kind/);
    assert.match(
      refusal({ size: 'large', kind: 'a' }),
      /column size holds "large"; a number is needed/,
    );
    assert.match(refusal({ size: [1], kind: 'a' }), /column size holds a list/);
    assert.match(
      refusal({ size: 1e39, kind: 'a' }),
      /column size holds 1e\+39, which is not finite/,
    );
    assert.match(refusal({ size: 1, kind: {} }), /column kind holds an object; a text or number/);
  });

  it('say what is not used, and list no more names than people read', () => {
    const encoder = encoderOf(schemaOf([number(null)]));
    const row = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`c${i}`, i]));
    encoder.encode(0, { size: 1, target: 1, id: 1, dropped: 1, ...row }, new Float64Array(1), 0);
    const [note = '', ...others] = encoder.notes;
    assert.match(note, /^columns that are not used: c0, c1, .*, c15, …$/);
    assert.deepEqual(others, []);
  });
});
