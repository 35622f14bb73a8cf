import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  assertFlipsSurvived,
  assertTruncationsRefused,
  isDataError,
  temporaryFolder,
} from '../hostile.test.helper.js';
import { readNpy } from './npy.js';

const folder = temporaryFolder('npy');
const xPath = path.join(folder, 'x.npy');
const yPath = path.join(folder, 'y.npy');

/** An NPY file as NumPy writes it. */
function npy(
  descr: string,
  shape: string,
  data: ArrayBufferView,
  { version = 1, fortran = false } = {},
): Buffer {
  const order = fortran ? 'True' : 'False';
  const text = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': (${shape}), }`;
  const start = version === 1 ? 10 : 12;
  const padded = `${text.padEnd(Math.ceil((text.length + start + 1) / 64) * 64 - start - 1)}\n`;
  const head = Buffer.alloc(start);
  head.write('\x93NUMPY', 'latin1');
  head[6] = version;
  if (version === 1) head.writeUInt16LE(padded.length, 8);
  else head.writeUInt32LE(padded.length, 8);
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return Buffer.concat([head, Buffer.from(padded), bytes]);
}

function write(x: Buffer, y = npy('<i8', '2,', BigInt64Array.of(0n, 1n))): void {
  writeFileSync(xPath, x);
  writeFileSync(yPath, y);
}

function read() {
  return readNpy(xPath, {});
}

const X = npy('<f4', '2, 3', Float32Array.of(1, 2, 3, 4, 5, 6));

test('float32 features and integer labels', () => {
  write(X);
  const { x, rows, features, answers, imageLike } = read();
  assert.deepEqual([rows, features, imageLike], [2, 3, false]);
  assert.deepEqual([...x], [1, 2, 3, 4, 5, 6]);
  assert.ok(x.buffer instanceof SharedArrayBuffer);
  assert.deepEqual(answers, {
    kind: 'labels',
    classes: 2,
    labels: answers.kind === 'labels' && answers.labels,
  });
  assert.deepEqual(answers.kind === 'labels' && [...answers.labels], [0, 1]);
});

test('bytes stay bytes, and images become rows of pixels', () => {
  write(npy('|u1', '2, 2, 2', Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 255)));
  const { x, features } = read();
  assert.ok(x instanceof Uint8Array);
  assert.equal(features, 4);
  assert.equal(x[7], 255);
});

test('every number type, version and byte order is read', () => {
  const swapped = (view: ArrayBufferView, size: 2 | 4 | 8) => {
    const bytes = Buffer.from(Uint8Array.from(new Uint8Array(view.buffer)));
    return size === 2 ? bytes.swap16() : size === 4 ? bytes.swap32() : bytes.swap64();
  };
  const half = Uint16Array.of(0x3c00, 0xc000);
  for (const [descr, data] of [
    ['<f2', half],
    ['>f2', swapped(half, 2)],
    ['<f8', Float64Array.of(1, -2)],
    ['>f8', swapped(Float64Array.of(1, -2), 8)],
    ['>f4', swapped(Float32Array.of(1, -2), 4)],
    ['|i1', Int8Array.of(1, -2)],
    ['<i2', Int16Array.of(1, -2)],
    ['<i4', Int32Array.of(1, -2)],
    ['>i8', swapped(BigInt64Array.of(1n, -2n), 8)],
  ] as const) {
    for (const version of [1, 2, 3]) {
      write(npy(descr, '2, 1', data, { version }));
      assert.deepEqual([...read().x], [1, -2], `${descr}, version ${version}`);
    }
  }
});

test('Fortran order is turned into rows', () => {
  write(npy('<f4', '2, 3', Float32Array.of(1, 4, 2, 5, 3, 6), { fortran: true }));
  assert.deepEqual([...read().x], [1, 2, 3, 4, 5, 6]);
  write(npy('<f4', '2, 3, 1', Float32Array.of(1, 4, 2, 5, 3, 6), { fortran: true }));
  assert.throws(read, isDataError(/Fortran order; save it in C order/));
});

test('random arrays survive in both orders', () => {
  const sizes = fc.integer({ min: 1, max: 6 });
  fc.assert(
    fc.property(sizes, sizes, fc.boolean(), (rows, columns, fortran) => {
      const at = (i: number) => (fortran ? (i % rows) * columns + Math.floor(i / rows) : i);
      const data = Float64Array.from({ length: rows * columns }, (_, i) => at(i));
      const y = npy('<f4', `${rows}, 2`, new Float32Array(2 * rows));
      write(npy('<f8', `${rows}, ${columns}`, data, { fortran }), y);
      const table = read();
      assert.deepEqual([...table.x], [...data.keys()]);
      assert.equal(table.answers.kind === 'values' && table.answers.width, 2);
    }),
  );
});

test('options decide whether integers are labels', () => {
  write(X);
  assert.equal(readNpy(xPath, { answers: 'values' }).answers.kind, 'values');
  write(X, npy('<f4', '2', Float32Array.of(0, 4)));
  assert.equal(read().answers.kind, 'values');
  const { answers } = readNpy(xPath, { answers: 'labels' });
  assert.equal(answers.kind === 'labels' && answers.classes, 5);
});

test('x of a prefix goes with the y of the same prefix', () => {
  write(X);
  writeFileSync(path.join(folder, 'train-x.npy'), X);
  writeFileSync(path.join(folder, 'train-y.npy'), npy('<f4', '2', Float32Array.of(7, 8)));
  const { answers } = readNpy(path.join(folder, 'train-x.npy'), {});
  assert.deepEqual(answers.kind === 'values' && [...answers.values], [7, 8]);
  assert.throws(() => readNpy(yPath, {}), isDataError(/not a name for features/));
});

for (const [what, x, y, message] of [
  ['NaN', npy('<f4', '2, 2', Float32Array.of(1, 2, 3, Number.NaN)), null, /x\[1\] of row 1 is NaN/],
  [
    'a double beyond float32',
    npy('<f8', '2', Float64Array.of(1, 1e300)),
    null,
    /row 1 is Infinity/,
  ],
  [
    'infinite answers',
    X,
    npy('<f4', '2', Float32Array.of(0, -Infinity)),
    /y\[0\] of row 1 is -Inf/,
  ],
  ['an enormous label', X, npy('<i4', '2', Int32Array.of(0, 1e9)), /class indices below 65536/],
  ['other rows in y', X, npy('<i4', '3', Int32Array.of(0, 1, 2)), /x has 2 rows and y 3/],
  ['no rows', npy('<f4', '0, 3', new Float32Array()), npy('<i4', '0', new Int32Array()), /no rows/],
  ['a single number', npy('<f4', '', Float32Array.of(1)), null, /a single number/],
  ['objects', npy('|O', '2', new Uint8Array(2)), null, /integers of 1 to 8 bytes, floats/],
  ['eight-byte halves', npy('<f1', '2', new Uint8Array(2)), null, /integers of 1 to 8 bytes/],
  [
    'a shape beyond the file',
    npy('<f4', '1000000000000, 3', new Float32Array(6)),
    null,
    /needs 12000000000000 bytes/,
  ],
  [
    'an empty shape beyond all integers',
    npy('<f4', '0, 999999999999999999999', new Float32Array()),
    null,
    /needs NaN bytes|no rows/,
  ],
] as const) {
  test(`${what} in a file is refused`, () => {
    write(x, y ?? undefined);
    assert.throws(read, isDataError(message));
  });
}

test('a missing file is named', () => {
  assert.throws(
    () => readNpy(path.join(folder, 'none', 'x.npy'), {}),
    isDataError(/none.x\.npy: no such file/),
  );
});

test('files cut at any byte are refused, and changed bytes do no harm', async () => {
  write(X);
  await assertTruncationsRefused(xPath, X, read);
  await assertFlipsSurvived(xPath, X, read, 1000);
});
