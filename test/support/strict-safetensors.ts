import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Tensors } from '../reference/layers.js';

/**
 * Reads a safetensors file of float32 by the text of the format alone
 * (https://github.com/huggingface/safetensors#format), without the package's reader: eight bytes of
 * header length, a JSON header that begins with `{` and may end in spaces, then the data without
 * holes; aligned to the element size, as the format's own writer does.
 */
export function readStrictSafetensors(file: string): {
  readonly tensors: Tensors;
  readonly metadata: Record<string, string>;
} {
  const bytes = readFileSync(file);
  const headerLength = Number(bytes.readBigUInt64LE(0));
  assert.ok(headerLength <= 100_000_000 && 8 + headerLength <= bytes.length, 'header length');
  assert.equal(headerLength % 8, 0, 'the data are aligned');
  const text = new TextDecoder('utf-8', { fatal: true }).decode(
    bytes.subarray(8, 8 + headerLength),
  );
  assert.match(text, /^\{.*\} *$/s);
  const header = JSON.parse(text) as Record<string, Record<string, unknown>>;
  const tensors: Tensors = new Map();
  const { __metadata__: metadata = {}, ...entries } = header;
  for (const value of Object.values(metadata)) assert.equal(typeof value, 'string');
  let end = 0;
  const begin = (entry: Record<string, unknown>) => (entry['data_offsets'] as number[])[0] ?? -1;
  for (const [name, entry] of Object.entries(entries).toSorted(
    ([, a], [, b]) => begin(a) - begin(b),
  )) {
    assert.deepEqual(Object.keys(entry).toSorted(), ['data_offsets', 'dtype', 'shape']);
    assert.equal(entry['dtype'], 'F32');
    const shape = entry['shape'] as number[];
    const [from, to] = entry['data_offsets'] as [number, number];
    assert.equal(from, end, 'no holes and no overlaps');
    assert.equal(to - from, 4 * shape.reduce((product, size) => product * size, 1));
    end = to;
    const values = Float64Array.from({ length: (to - from) / 4 }, (_, at) =>
      bytes.readFloatLE(8 + headerLength + from + 4 * at),
    );
    tensors.set(name, { shape, values });
  }
  assert.equal(8 + headerLength + end, bytes.length, 'the data end with the file');
  return { tensors, metadata: metadata as Record<string, string> };
}
