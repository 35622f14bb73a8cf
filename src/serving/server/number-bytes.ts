import { FORMAT_BYTES, type NumberFormat, viewNumbers } from '../../data/number-formats.js';
import type { MemoryLease } from './memory-budget.js';
import { badRequest } from './protocol-error.js';
import type { WorkSlices } from './work-slices.js';

/** Numbers that are converted in a slice. */
const SLICE = 1 << 15;

/** What bytes hold. */
export interface NumberBytes {
  readonly format: NumberFormat;
  /** Names an element, for what is wrong with it. */
  readonly place: (index: number) => string;
  /** Whether NaN is a gap. */
  readonly gaps: boolean;
}

/**
 * Numbers of a tensor's bytes as float32.
 *
 * @param blocks the bytes, in order; emptied
 * @param lease holds the blocks, and then what is returned
 * @throws ProtocolError for a number that is not finite in float32
 */
export async function readNumbers(
  blocks: Buffer[],
  { format, place, gaps }: NumberBytes,
  { lease, slices }: { readonly lease: MemoryLease; readonly slices: WorkSlices },
): Promise<Float32Array> {
  const bytes = blocks.reduce((sum, { length }) => sum + length, 0);
  lease.take(bytes);
  // At an offset that every element size divides.
  const aligned = new Uint8Array(bytes);
  let at = 0;
  for (const block of blocks) {
    await slices.run(() => aligned.set(block, at));
    at += block.length;
  }
  blocks.length = 0;
  lease.give(bytes);
  const size = FORMAT_BYTES[format];
  const count = bytes / size;
  const isFloat32 = format === 'f4';
  if (!isFloat32) lease.take(4 * count);
  const x = isFloat32 ? new Float32Array(aligned.buffer) : new Float32Array(count);
  for (let from = 0; from < count; from += SLICE) {
    const to = Math.min(count, from + SLICE);
    await slices.run(() => {
      if (!isFloat32) {
        const numbers = viewNumbers(format, aligned.subarray(from * size, to * size));
        for (let i = from; i < to; i++) x[i] = Number(numbers[i - from]);
      }
      requireFinite(x.subarray(from, to), gaps, (i) => place(from + i));
    });
  }
  if (!isFloat32) lease.give(bytes);
  return x;
}

function requireFinite(x: Float32Array, gaps: boolean, place: (index: number) => string): void {
  for (let i = 0; i < x.length; i++) {
    const value = x[i] as number;
    if (value - value === 0 || (gaps && Number.isNaN(value))) continue;
    throw badRequest(`${place(i)} is ${value} in float32; inputs must be finite`);
  }
}
