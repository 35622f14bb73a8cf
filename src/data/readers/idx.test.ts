import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import {
  assertFlipsSurvived,
  assertTruncationsRefused,
  isDataError,
  temporaryFolder,
} from '../hostile.test.helper.js';
import { readIdx } from './idx.js';

const folder = temporaryFolder('idx');
const imagesPath = path.join(folder, 'train-images-idx3-ubyte');
const labelsPath = path.join(folder, 'train-labels-idx1-ubyte');

function idx(shape: number[], data: ArrayLike<number>, type = 8): Buffer {
  const head = Buffer.alloc(4 + 4 * shape.length);
  head[2] = type;
  head[3] = shape.length;
  shape.forEach((size, i) => head.writeUInt32BE(size, 4 + 4 * i));
  return Buffer.concat([head, Uint8Array.from(data)]);
}

const IMAGES = idx([3, 2, 2], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255]);
const LABELS = idx([3], [2, 0, 1]);

function write(images = IMAGES, labels = LABELS): void {
  writeFileSync(imagesPath, images);
  writeFileSync(labelsPath, labels);
}

function read() {
  return readIdx(imagesPath, {});
}

test('images and the labels beside them, plain and gzipped', () => {
  write();
  const plain = read();
  assert.deepEqual([plain.rows, plain.features, plain.imageLike], [3, 4, true]);
  assert.equal(plain.x[11], 255);
  assert.ok(plain.x instanceof Uint8Array && plain.x.buffer instanceof SharedArrayBuffer);
  assert.equal(plain.answers.kind, 'labels');
  rmSync(labelsPath);
  writeFileSync(`${imagesPath}.gz`, gzipSync(IMAGES));
  writeFileSync(`${labelsPath}.gz`, gzipSync(LABELS));
  const zipped = readIdx(`${imagesPath}.gz`, {});
  assert.deepEqual(zipped, { ...plain, name: `${imagesPath}.gz` });
  assert.deepEqual(read(), plain);
  rmSync(`${labelsPath}.gz`);
  assert.throws(read, isDataError(/no labels beside it; train-labels-idx1-ubyte or/));
  assert.throws(() => readIdx(path.join(folder, 'data.bin'), {}), isDataError(/not a name for/));
});

for (const [what, images, labels, message] of [
  ['too many bytes', Buffer.concat([IMAGES, Buffer.alloc(1)]), LABELS, /3 × 2 × 2 = 12 bytes but/],
  ['an enormous size', idx([0xffffffff, 0xffffffff, 9], []), LABELS, /truncated or damaged/],
  ['floats', idx([1], [0, 0, 0, 0], 0x0d), LABELS, /type 0xd; bytes/],
  ['no dimensions', idx([], []), LABELS, /0 dimensions/],
  ['labels of two dimensions', IMAGES, idx([3, 1], [0, 0, 0]), /2 dimensions; labels have one/],
  ['other rows in the labels', IMAGES, idx([2], [0, 0]), /x has 3 rows and y 2/],
  ['no rows', idx([0, 2, 2], []), idx([0], []), /no rows/],
  ['no magic number', Buffer.from('hello world'), LABELS, /does not start as an IDX/],
] as const) {
  test(`a file with ${what} is refused`, () => {
    write(images, labels);
    assert.throws(read, isDataError(message));
  });
}

test('a gzipped file inflates no further than its header declares', () => {
  write();
  const zeros = Buffer.alloc(50 << 20);
  const readZipped = () => readIdx(`${imagesPath}.gz`, {});
  writeFileSync(`${imagesPath}.gz`, gzipSync(Buffer.concat([IMAGES, zeros])));
  assert.throws(readZipped, isDataError(/inflates beyond the 28 bytes/));
  writeFileSync(`${imagesPath}.gz`, gzipSync(idx([0xffff, 0xffff, 1], [])));
  assert.throws(readZipped, isDataError(/65535 × 65535 × 1 = 4294836225 bytes/));
  writeFileSync(`${imagesPath}.gz`, 'not gzip');
  assert.throws(readZipped, isDataError(/cannot be inflated \(Z_DATA_ERROR\)/));
});

test('files cut at any byte are refused, and changed bytes do no harm', async () => {
  write();
  await assertTruncationsRefused(imagesPath, IMAGES, read);
  await assertTruncationsRefused(labelsPath, LABELS, read);
  await assertFlipsSurvived(imagesPath, IMAGES, read, 1000);
  await assertFlipsSurvived(labelsPath, LABELS, read, 500);
  const readZipped = () => readIdx(`${imagesPath}.gz`, {});
  const zipped = gzipSync(IMAGES);
  await assertTruncationsRefused(`${imagesPath}.gz`, zipped, readZipped);
  await assertFlipsSurvived(`${imagesPath}.gz`, zipped, readZipped, 1000);
});
