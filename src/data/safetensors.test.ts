import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import * as fc from 'fast-check';
import { DataError } from '../base/errors.js';
import { SafetensorsFile, type SafetensorsTensor, writeSafetensors } from './safetensors.js';

const folder = mkdtempSync(path.join(tmpdir(), 'safetensors-'));
after(() => rmSync(folder, { recursive: true }));
const file = path.join(folder, 'file.safetensors');

/** A file with the given header text and data bytes, its length field right unless given. */
function writeRaw(header: string, dataBytes: number, length = Buffer.byteLength(header)): void {
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(length));
  writeFileSync(file, Buffer.concat([start, Buffer.from(header), Buffer.alloc(dataBytes)]));
}

function open(): void {
  new SafetensorsFile(file).close();
}

test('what is written is read back, with the hash and size of the file', () => {
  const shapes = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 3 });
  const name = fc.oneof(fc.string({ minLength: 1 }), fc.constantFrom('0', '12', '__proto__', 'é"'));
  const tensors = fc.uniqueArray(fc.tuple(name, shapes, fc.integer()), {
    selector: ([key]) => key,
    maxLength: 5,
  });
  fc.assert(
    fc.property(tensors, fc.dictionary(fc.string(), fc.string()), (list, metadata) => {
      const written = list.map(([key, shape, start], index): SafetensorsTensor => {
        const count = shape.reduce((product, size) => product * size, 1);
        const values = Array.from({ length: count }, (_, i) => start / 3 + i);
        return index % 2 === 0
          ? { name: key, dtype: 'F32', shape, data: Float32Array.from(values) }
          : { name: key, dtype: 'I64', shape, data: BigInt64Array.from(values.keys(), BigInt) };
      });
      const { sha256, bytes } = writeSafetensors(file, written, metadata);
      assert.equal(bytes, statSync(file).size);
      assert.equal(sha256, createHash('sha256').update(readFileSync(file)).digest('hex'));
      const read = new SafetensorsFile(file);
      assert.deepEqual({ ...read.metadata }, { ...metadata });
      assert.equal(read.entries.size, written.length);
      for (const { name: key, dtype, shape, data } of written) {
        assert.deepEqual(read.entry(key).shape, shape);
        assert.equal(
          read.entry(key).byteOffset % 8,
          dtype === 'I64' ? 0 : read.entry(key).byteOffset % 8,
        );
        const out = new Uint8Array(data.byteLength);
        read.readBytes(key, out);
        assert.deepEqual(out, new Uint8Array(data.buffer));
        if (dtype === 'F32') assert.deepEqual(read.readFloat32(key), data);
        else
          assert.deepEqual(
            read.readInt32(key),
            Int32Array.from({ length: out.length / 8 }, (_, i) => i),
          );
      }
      read.close();
    }),
  );
});

test('the header is padded with spaces to 8 bytes, and tensors of wide elements come first', () => {
  writeSafetensors(file, [
    { name: 'b', dtype: 'F32', shape: [1], data: new Float32Array(1) },
    { name: 'a', dtype: 'F32', shape: [1], data: new Float32Array(1) },
    { name: 'c', dtype: 'F64', shape: [1], data: new Float64Array(1) },
  ]);
  const bytes = readFileSync(file);
  const length = Number(bytes.readBigUInt64LE());
  assert.equal(length % 8, 0);
  const text = bytes.subarray(8, 8 + length).toString();
  const entry = (name: string, dtype: string, begin: number, end: number) =>
    `"${name}":{"dtype":"${dtype}","shape":[1],"data_offsets":[${begin},${end}]}`;
  const entries = [entry('c', 'F64', 0, 8), entry('a', 'F32', 8, 12), entry('b', 'F32', 12, 16)];
  assert.equal(text.trimEnd(), `{${entries.join(',')}}`);
});

test('tensors in shared memory are written and read', () => {
  const data = new Float32Array(new SharedArrayBuffer(64), 16, 4);
  data.set([1, 2, 3, 4]);
  writeSafetensors(file, [{ name: 'x', dtype: 'F32', shape: [4], data }]);
  const read = new SafetensorsFile(file);
  const out = new Float32Array(new SharedArrayBuffer(16));
  assert.deepEqual([...read.readFloat32('x', out)], [1, 2, 3, 4]);
  read.close();
});

test('half, bfloat16, double and integer tensors become float32', () => {
  writeSafetensors(file, [
    { name: 'half', dtype: 'F16', shape: [4], data: Uint16Array.of(0x3c00, 0xc000, 1, 0x7c00) },
    { name: 'brain', dtype: 'BF16', shape: [2], data: Uint16Array.of(0x3f80, 0xc049) },
    { name: 'double', dtype: 'F64', shape: [1], data: Float64Array.of(0.1) },
    { name: 'bytes', dtype: 'U8', shape: [2], data: Uint8Array.of(3, 255) },
    { name: 'signed', dtype: 'I16', shape: [1], data: Int16Array.of(-7) },
  ]);
  const read = new SafetensorsFile(file);
  assert.deepEqual([...read.readFloat32('half')], [1, -2, 2 ** -24, Infinity]);
  assert.deepEqual([...read.readFloat32('brain')], [1, -3.140625]);
  assert.deepEqual([...read.readFloat32('double')], [Math.fround(0.1)]);
  assert.deepEqual([...read.readFloat32('bytes')], [3, 255]);
  assert.deepEqual([...read.readFloat32('signed')], [-7]);
  assert.throws(() => read.readInt32('half'), /half is F16, not integers/);
  assert.throws(() => read.readFloat32('none'), /no tensor none; the file holds/);
  read.close();
});

test('tensors larger than a chunk are written and read whole', () => {
  const data = Float64Array.from({ length: 1_200_000 }, (_, i) => i);
  writeSafetensors(file, [{ name: 'x', dtype: 'F64', shape: [data.length], data }]);
  const read = new SafetensorsFile(file);
  assert.deepEqual(read.readFloat32('x'), Float32Array.from(data));
  read.close();
});

test('integers outside int32 are refused with their index', () => {
  const data = BigInt64Array.of(1n, 2n ** 31n);
  writeSafetensors(file, [{ name: 'y', dtype: 'I64', shape: [2], data }]);
  const read = new SafetensorsFile(file);
  assert.throws(() => read.readInt32('y'), /y\[1\] is 2147483648, outside int32/);
  read.close();
});

test('a writer refuses names used twice and data of another size', () => {
  const x = { name: 'x', dtype: 'F32', shape: [1], data: new Float32Array(1) } as const;
  assert.throws(() => writeSafetensors(file, [x, x]), DataError);
  assert.throws(() => writeSafetensors(file, [{ ...x, name: '__metadata__' }]), DataError);
  assert.throws(() => writeSafetensors(file, [{ ...x, shape: [2] }]), /4 bytes of data.*needs 8/);
});

const tensor = (begin: number, end: number, shape = `[${(end - begin) / 4}]`, dtype = 'F32') =>
  `{"dtype":"${dtype}","shape":${shape},"data_offsets":[${begin},${end}]}`;

const DAMAGED: [string, string, number, RegExp][] = [
  ['overlapping tensors', `{"a":${tensor(0, 8)},"b":${tensor(4, 12)}}`, 12, /"b".*overlaps/],
  ['a gap', `{"a":${tensor(0, 4)},"b":${tensor(8, 12)}}`, 12, /"b".*gap/],
  ['bytes of no tensor', `{"a":${tensor(0, 4)}}`, 8, /cover 4 bytes but the file holds 8/],
  ['missing data', `{"a":${tensor(0, 8)}}`, 4, /cover 8 bytes but the file holds 4/],
  ['a name twice', `{"a":${tensor(0, 4)},"\\u0061":${tensor(0, 4)}}`, 4, /names "a" twice/],
  ['a field twice', `{"a":{"dtype":"U8",${tensor(0, 4).slice(1)}}`, 4, /names "dtype" twice/],
  [
    'a type that is no text',
    `{"a":${tensor(0, 4, '[1]').replace('"F32"', '7')}}`,
    4,
    /is 7; it is/,
  ],
  ['an unknown type and reversed offsets', `{"a":${tensor(4, 0, '[1]', 'F99')}}`, 4, /span -4/],
  ['a negative size', `{"a":${tensor(0, 4, '[-1,-1]')}}`, 4, /sizes are integers/],
  ['a fractional size', `{"a":${tensor(0, 4, '[1.5]')}}`, 4, /sizes are integers/],
  ['a size beyond integers', `{"a":${tensor(0, 4, '[4503599627370496,4096]')}}`, 4, /sizes are/],
  ['an enormous size', `{"a":${tensor(0, 4, '[1000000000000]')}}`, 4, /needs 4000000000000/],
  ['negative offsets', `{"a":${tensor(-4, 0)}}`, 0, /two integers/],
  ['reversed offsets', `{"a":${tensor(4, 0)}}`, 4, /sizes are|span/],
  ['an unknown field', `{"a":${tensor(0, 4).slice(0, -1)},"x":1}}`, 4, /unknown field "x"/],
  ['metadata that is no map', '{"__metadata__":[]}', 0, /__metadata__/],
  ['metadata of numbers', '{"__metadata__":{"a":1}}', 0, /__metadata__/],
  ['an entry that is no object', '{"a":null}', 0, /not an object/],
  ['a header that is no object', '[]', 0, /does not start with/],
  ['a header that is no JSON', '{"a":', 0, /not JSON/],
];

for (const [what, header, dataBytes, message] of DAMAGED) {
  test(`a header with ${what} is refused`, () => {
    writeRaw(header, dataBytes);
    assert.throws(open, (error) => error instanceof DataError && message.test(error.message));
  });
}

test('a tensor of an unknown type harms only who reads it', () => {
  for (const dtype of ['F99', 'toString']) {
    writeRaw(`{"a":${tensor(0, 4, '[1]', dtype)},"b":${tensor(4, 8)}}`, 8);
    const read = new SafetensorsFile(file);
    assert.equal(read.readFloat32('b').length, 1);
    assert.throws(() => read.readFloat32('a'), /a is of a type that is not read; known types/);
    assert.throws(() => read.readInt32('a'), /not read/);
    read.close();
  }
});

test('a header longer than the file is refused before memory is taken for it', () => {
  for (const length of [3, 2 ** 31, 2 ** 53]) {
    writeRaw('{}', 0, length);
    assert.throws(open, /claims a header of/);
  }
});

test('a file of torch.save is refused with what writes safetensors', () => {
  writeFileSync(file, 'PK\u0003\u0004\0\0\b\b\0\0\0\0');
  assert.throws(open, /a zip file, as torch\.save .*; safetensors\.torch\.save_file writes/);
});

test('a file that is missing, a folder or too short is refused', () => {
  assert.throws(() => new SafetensorsFile(path.join(folder, 'none')), /no such file/);
  assert.throws(() => new SafetensorsFile(folder), /not a regular file/);
  writeFileSync(file, 'abc');
  assert.throws(open, /too few/);
});

test('a file cut at any byte is refused', () => {
  const data = Float32Array.of(1, 2, 3);
  const { bytes } = writeSafetensors(file, [{ name: 'x', dtype: 'F32', shape: [3], data }]);
  for (let length = bytes - 1; length >= 0; length--) {
    truncateSync(file, length);
    assert.throws(open, DataError);
  }
});

test('flipped bytes never end in anything but a DataError', () => {
  const data = Float32Array.of(1, 2, 3);
  writeSafetensors(file, [
    { name: 'x', dtype: 'F32', shape: [3], data },
    { name: 'y', dtype: 'I64', shape: [1, 1], data: BigInt64Array.of(5n) },
  ]);
  const original = readFileSync(file);
  const flips = fc.array(fc.tuple(fc.nat(original.length - 1), fc.integer({ min: 1, max: 255 })), {
    minLength: 1,
    maxLength: 3,
  });
  fc.assert(
    fc.property(flips, (list) => {
      const bytes = Buffer.from(original);
      for (const [at, mask] of list) bytes[at]! ^= mask;
      writeFileSync(file, bytes);
      try {
        const read = new SafetensorsFile(file);
        for (const name of read.entries.keys()) {
          try {
            read.readFloat32(name);
            read.readInt32(name);
          } catch (error) {
            assert.ok(error instanceof DataError, String(error));
          }
        }
        read.close();
      } catch (error) {
        assert.ok(error instanceof DataError, String(error));
      }
    }),
    { numRuns: 500 },
  );
});
