import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CellList } from './cell-list.js';
import { JsonReader } from './json-reader.js';
import { NumberList } from './number-list.js';
import { WorkSlices } from './work-slices.js';

const lease = { take() {}, give() {}, release() {} };
const slices = new WorkSlices();

/** What the reader makes of a text that arrives in pieces of some lengths, in turn. */
async function read(text: string | Buffer, lengths: readonly number[]): Promise<unknown> {
  const bytes = Buffer.from(text);
  const reader = new JsonReader({ features: 3 }, lease);
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const end = Math.min(bytes.length, at + (lengths[i % lengths.length] ?? bytes.length));
    reader.push(bytes.subarray(at, end));
    at = end;
  }
  return plain(reader.end());
}

/** With lists for `NumberList`s and plain objects. */
async function plain(value: unknown): Promise<unknown> {
  if (value instanceof NumberList) return [...(await value.join(slices))];
  if (Array.isArray(value)) return Promise.all(value.map(plain));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(async ([key, each]) => [key, await plain(each)]);
  return Object.fromEntries((await Promise.all(entries)) as [string, unknown][]);
}

interface Request {
  readonly inputs?: readonly { data: unknown }[];
}

/** The numbers of a request's lists. */
function dataOf(request: Request): unknown[] {
  if (!Array.isArray(request?.inputs)) return [];
  return request.inputs.flatMap((tensor) =>
    Array.isArray(tensor?.data) ? (tensor.data.flat(8) as unknown[]) : [],
  );
}

/** What it should make of a text that JSON.parse reads. */
function expected(request: Request): Request {
  if (!Array.isArray(request?.inputs)) return request;
  for (const tensor of request.inputs as { data: unknown }[]) {
    if (!Array.isArray(tensor?.data)) continue;
    tensor.data = (tensor.data.flat(8) as number[]).map((each) => Math.fround(each));
  }
  return request;
}

/** Numbers as all kinds of clients write them. */
const numberText = fc.oneof(
  fc.float({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.float({ noNaN: true, noDefaultInfinity: true }).map((value) => value.toExponential(20)),
  fc.double({ noNaN: true, min: -1e30, max: 1e30 }).map(String),
  fc.double({ noNaN: true, min: -1, max: 1 }).map((value) => value.toFixed(25)),
  fc.double({ noNaN: true, min: -1, max: 1 }).map((value) => value.toPrecision(40)),
  fc.bigInt({ min: -(10n ** 38n), max: 10n ** 38n }).map(String),
  fc.constantFrom('-0', '0', '0.0', '-0.0e5', '1E5', '1e+5', '123e-7', '0.00000000000000000001'),
);
const space = fc.constantFrom('', ' ', '\n', '\t ', '\r\n');
const data = fc
  .array(fc.tuple(numberText, space, fc.integer({ min: 1, max: 3 })), { maxLength: 40 })
  .map((all) =>
    all
      .map(
        ([text, gap, depth]) =>
          `${'['.repeat(depth - 1)}${gap}${text}${gap}${']'.repeat(depth - 1)}`,
      )
      .join(','),
  );
const body = fc
  .tuple(data, fc.json({ maxDepth: 3 }), fc.string({ unit: 'grapheme' }))
  .map(
    ([numbers, more, id]) =>
      `{"id":${JSON.stringify(id)}, "more":${more},"inputs":[{"name":"x","data":[${numbers}]}]}`,
  );
const lengths = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 5 });

describe('JsonReader', () => {
  it('reads what JSON.parse reads, rounded to float32, in whatever pieces it arrives', async () => {
    await fc.assert(
      fc.asyncProperty(body, lengths, async (text, cuts) => {
        assert.deepEqual(await read(text, cuts), expected(JSON.parse(text) as Request));
      }),
      { numRuns: 500 },
    );
  });

  it('refuses what JSON.parse refuses, and no text crashes it', async () => {
    const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }), fc.boolean());
    await fc.assert(
      fc.asyncProperty(
        body,
        fc.array(change, { maxLength: 2 }),
        lengths,
        async (text, all, cuts) => {
          const bytes = [...Buffer.from(text)];
          for (const [at, byte, insert] of all)
            bytes.splice(at % bytes.length, insert ? 0 : 1, byte);
          const changed = Buffer.from(bytes);
          const decoded = changed.toString('utf8');
          let ours: { value: unknown } | null = null;
          try {
            ours = { value: await read(changed, cuts) };
          } catch (error) {
            assert.equal((error as Error).name, 'ProtocolError');
          }
          let theirs: Request | null = null;
          try {
            theirs = JSON.parse(decoded) as Request;
          } catch {
            assert.equal(ours, null, 'no JSON');
            return;
          }
          if (ours !== null) {
            assert.deepEqual(ours.value, expected(theirs));
            return;
          }
          const isFine = (each: unknown) =>
            typeof each === 'number' && Number.isFinite(Math.fround(each));
          assert.ok(!dataOf(theirs).every(isFine), 'JSON that is fine');
        },
      ),
      { numRuns: 500 },
    );
  });

  it('bounds depth, values and texts', async () => {
    const deep = (open: string, close: string) => open.repeat(50_000) + close.repeat(50_000);
    for (const text of [
      deep('[', ']'),
      deep('{"a":', '}'),
      `{"inputs":[{"data":${deep('[', ']')}}]}`,
      `{"id":${deep('[', ']')}}`,
    ]) {
      await assert.rejects(read(text, [1 << 16]), /nested too deep/);
    }
    const many = JSON.stringify(Array.from({ length: 20_000 }, () => 1));
    await assert.rejects(read(many, [1 << 16]), /besides its data/);
    const long = JSON.stringify({ id: 'x'.repeat(100_000) });
    await assert.rejects(read(long, [1 << 16]), /besides its data/);
    const digits = `{"inputs":[{"data":[1${'0'.repeat(5000)}]}]}`;
    await assert.rejects(read(digits, [1 << 16]), /more than 1024 characters/);
  });

  it('says where what is not finite or no number is', async () => {
    const of = (text: string) => read(`{"inputs":[{"data":[1,2,3,4,${text}]}]}`, [7]);
    await assert.rejects(of('1e39'), /x\[1, 1\] is Infinity in float32/);
    await assert.rejects(of('"a"'), /x\[1, 1\] is "a?/);
    await assert.rejects(of('null'), /x\[1, 1\] is null; needs a number/);
    await assert.rejects(of('NaN'), /NaN and Infinity are not JSON numbers/);
    await assert.rejects(of('-Infinity'), /NaN and Infinity are not JSON numbers/);
    for (const text of ['01', '1.', '.5', '+1', '-', '1e', '1e+', '0x1', '1 2', ',', '']) {
      await assert.rejects(of(text), /not JSON/, text);
    }
  });

  it('reads lists of cells, and rows one by one, in whatever pieces they arrive', () => {
    const number = fc.integer({ min: -1000, max: 1000 });
    const cell = fc.oneof(fc.string(), fc.boolean(), fc.constant(null), number);
    const numbers = fc.array(fc.oneof(number, fc.constant(null)), { maxLength: 5 });
    const cells = fc
      .tuple(
        numbers.map((all) => all.map(() => null)),
        fc.string(),
        fc.array(cell),
      )
      .map(([gaps, text, others]) => [...gaps, text, ...others]);
    const row = fc.dictionary(fc.string(), fc.oneof(cell, fc.array(cell, { maxLength: 2 })));
    const inputs = fc.array(fc.oneof(numbers, cells), { maxLength: 3 });
    fc.assert(
      fc.property(inputs, fc.array(row, { maxLength: 4 }), lengths, (lists, rows, cuts) => {
        const found: object[] = [];
        const onRow = (each: object) => found.push({ ...each });
        const reader = new JsonReader({ features: 1, columns: 1, onRow }, lease);
        const request = { inputs: lists.map((list) => ({ data: list })), rows, more: [{}] };
        const text = Buffer.from(JSON.stringify(request));
        for (let at = 0, i = 0; at < text.length; i++) {
          const end = at + (cuts[i % cuts.length] ?? 1);
          reader.push(text.subarray(at, end));
          at = end;
        }
        const whole = reader.end() as {
          inputs: { data: CellList | NumberList }[];
          rows: unknown[];
        };
        const plainRows = JSON.parse(JSON.stringify(rows)) as object[];
        assert.deepEqual(
          found,
          plainRows.map((each) => ({ ...each })),
        );
        assert.deepEqual(whole.rows, []);
        for (const [i, sent] of lists.entries()) {
          const list = whole.inputs[i]?.data;
          const wanted = JSON.parse(JSON.stringify(sent)) as unknown[];
          assert.equal(list?.length, sent.length);
          if (!(list instanceof CellList)) continue;
          for (const [place, value] of wanted.entries()) assert.equal(list.at(place), value);
        }
      }),
      { numRuns: 200, endOnFailure: true },
    );
  });
});
