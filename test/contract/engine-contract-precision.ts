// The part of the engine contract that is about ghosts in low precision: bytes equal those of plain
// JavaScript, bit for bit.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Engine } from '#src/engines/engine.js';
import { type EncodedPrecision, rowBytes } from '#src/tensor/precision.js';
import { asBytes, type Bytes, byteRange } from '#src/tensor/tensor.js';
import { at, type Subject } from './engine-contract-reference.js';

const SHAPES = [
  ...([
    [0, 3],
    [3, 0],
    [1, 1],
    [5, 3],
    [3, 16],
    [2, 17],
    [4, 128],
    [2, 1031],
  ] as const),
];
const PRECISIONS = ['bfloat16', 'int8'] as const;
const { fround } = Math;

const words = new DataView(new ArrayBuffer(4));
const bitsOf = (x: number): number => (words.setFloat32(0, x), words.getUint32(0));
const floatOf = (bits: number): number => (words.setUint32(0, bits), words.getFloat32(0));

/** The nearest bfloat16 by comparing the two neighbors; ties go to the even one. */
function bfloat16(x: number): number {
  const below = bitsOf(x) >>> 16;
  if (!Number.isFinite(x)) return Number.isNaN(x) ? below | 0x40 : below;
  const [low, high] = [floatOf(below * 65_536), floatOf(((below + 1) & 0xffff) * 65_536)];
  // One past the largest finite number counts as the power of two that it stands for.
  const up = Math.abs(Number.isFinite(high) ? high : 2 ** 128);
  const [toLow, toHigh] = [Math.abs(x) - Math.abs(low), up - Math.abs(x)];
  if (toLow !== toHigh) return toLow < toHigh ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

function encode(
  precision: EncodedPrecision,
  x: Float32Array,
  [rows, columns]: readonly [number, number],
): Uint8Array {
  const view = new DataView(new ArrayBuffer(rows * rowBytes(precision, columns)));
  if (precision === 'bfloat16') {
    for (const [i, value] of x.entries()) view.setUint16(2 * i, bfloat16(value), true);
    return new Uint8Array(view.buffer);
  }
  for (let row = 0; row < rows; row++) {
    const values = x.subarray(row * columns, (row + 1) * columns);
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const start = row * (4 + columns);
    view.setFloat32(start, largest < 1e-36 ? 0 : largest / 127, true);
    const factor = largest < 1e-36 ? 0 : fround(127 / largest);
    for (const [i, value] of values.entries()) {
      view.setInt8(start + 4 + i, roundHalfEven(fround(value * factor)));
    }
  }
  return new Uint8Array(view.buffer);
}

/** Room between guards, at an address that is a multiple of nothing. */
function room(engine: Engine, count: number): { bytes: Bytes; check(): void } {
  const whole = asBytes(engine.allocate([Math.ceil(count / 4) + 2]), count + 6);
  engine.toDevice(new Uint8Array(count + 6).fill(99), whole);
  const check = () => {
    const bytes = engine.toHost(whole);
    assert.deepEqual([...bytes.slice(0, 3), ...bytes.slice(-3)], Array(6).fill(99));
  };
  return { bytes: byteRange(whole, 3, count), check };
}

export function precisionContract(subject: Subject): void {
  for (const precision of PRECISIONS) {
    it(`writes rows as ${precision} and reads them`, async () => {
      const arrays = await subject.arrays();
      const { engine } = arrays;
      for (const [rows, columns] of SHAPES) {
        // Rows of very different sizes, one of them zero, one too small for int8.
        const size = (row: number) => [1, 1e-4, 0, 3e30, 1e-38][row % 5] ?? 1;
        const value = (i: number) => arrays.random() * size(Math.floor(i / columns));
        const x = arrays.tensor([rows, columns], value);
        const before = arrays.of(x);
        const { bytes, check } = room(engine, rows * rowBytes(precision, columns));
        engine.encodeRows(precision, x, bytes);
        const written = engine.toHost(bytes).slice();
        const expected = encode(precision, before, [rows, columns]);
        assert.deepEqual(written, expected, `${rows} × ${columns}`);
        check();
        const out = arrays.tensor([rows, columns]);
        engine.decodeRows(precision, bytes, out);
        assert.deepEqual(arrays.of(x), before);
        for (const [i, decoded] of arrays.of(out).entries()) {
          const row = before.subarray(i - (i % columns), i - (i % columns) + columns);
          const largest = row.reduce((most, one) => Math.max(most, Math.abs(one)), 0);
          // Half a unit of the last place kept, and a rounding of the scale and of the product.
          const bound =
            precision === 'int8'
              ? largest < 1e-36
                ? largest
                : (largest / 127) * 0.50002
              : Math.abs(at(before, i)) * 2 ** -8 + 2 ** -134;
          assert.ok(Math.abs(decoded - at(before, i)) <= bound, `${i}: ${decoded}`);
        }
        // What has been rounded once stays as it is.
        if (precision === 'bfloat16') {
          const again = room(engine, bytes.length).bytes;
          engine.encodeRows(precision, out, again);
          assert.deepEqual(engine.toHost(again).slice(), written);
        }
      }
      arrays.checkGuards();
    });

    it(`${precision} keeps what is not finite visible`, async (t) => {
      if (!subject.nonFinite) return t.skip('this engine promises nothing of NaN');
      const arrays = await subject.arrays();
      for (const bad of [NaN, Infinity, -Infinity, floatOf(0x7f800001), floatOf(0xffffffff)]) {
        for (const place of [0, 5, 16, 18]) {
          const x = arrays.tensor([2, 19], (i) => (i === place ? bad : arrays.random()));
          const { bytes } = room(arrays.engine, 2 * rowBytes(precision, 19));
          arrays.engine.encodeRows(precision, x, bytes);
          const out = arrays.tensor([2, 19]);
          arrays.engine.decodeRows(precision, bytes, out);
          const decoded = arrays.of(out);
          assert.ok(!Number.isFinite(at(decoded, place)), `${bad} at ${place}`);
          assert.ok(decoded.subarray(19).every(Number.isFinite), 'the other row');
        }
      }
    });
  }

  it('bfloat16 rounds ties to even and overflows to infinity', async () => {
    const arrays = await subject.arrays();
    const values = [0x3f808000, 0x3f818000, 0x3f808001, 0x80000000, 0x7f7fffff, 0xff7f8000, 1];
    const x = arrays.tensor([1, values.length], (i) => floatOf(at(values, i)));
    const { bytes } = room(arrays.engine, 2 * values.length);
    arrays.engine.encodeRows('bfloat16', x, bytes);
    const halves = [...new Uint16Array(arrays.engine.toHost(bytes).slice().buffer)];
    assert.deepEqual(halves, [0x3f80, 0x3f82, 0x3f81, 0x8000, 0x7f80, 0xff80, 0]);
  });
}
