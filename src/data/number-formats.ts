/** Element formats of the binary files that are read, with their size in bytes. */
export const FORMAT_BYTES = {
  u1: 1,
  i1: 1,
  u2: 2,
  i2: 2,
  f2: 2,
  /** bfloat16: the upper half of a float32. */
  bf2: 2,
  u4: 4,
  i4: 4,
  f4: 4,
  u8: 8,
  i8: 8,
  f8: 8,
} as const;

export type NumberFormat = keyof typeof FORMAT_BYTES;

export function isInteger(format: NumberFormat): boolean {
  return format.startsWith('u') || format.startsWith('i');
}

/**
 * The numbers in little-endian bytes; 64-bit integers as bigint.
 *
 * @param bytes At an offset of its buffer that is a multiple of 8, of whole elements.
 */
export function viewNumbers(format: NumberFormat, bytes: Uint8Array): ArrayLike<number | bigint> {
  const { buffer, byteOffset } = bytes;
  const count = bytes.length / FORMAT_BYTES[format];
  switch (format) {
    case 'u1':
      return bytes;
    case 'i1':
      return new Int8Array(buffer, byteOffset, count);
    case 'u2':
      return new Uint16Array(buffer, byteOffset, count);
    case 'i2':
      return new Int16Array(buffer, byteOffset, count);
    case 'f2':
      return Float32Array.from(new Uint16Array(buffer, byteOffset, count), halfToNumber);
    case 'bf2':
      return widenBfloat16(new Uint16Array(buffer, byteOffset, count));
    case 'u4':
      return new Uint32Array(buffer, byteOffset, count);
    case 'i4':
      return new Int32Array(buffer, byteOffset, count);
    case 'f4':
      return new Float32Array(buffer, byteOffset, count);
    case 'u8':
      return new BigUint64Array(buffer, byteOffset, count);
    case 'i8':
      return new BigInt64Array(buffer, byteOffset, count);
    default:
      return new Float64Array(buffer, byteOffset, count);
  }
}

/** Reverses the bytes of every element. */
export function swapBytes(format: NumberFormat, bytes: Uint8Array): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const size = FORMAT_BYTES[format];
  if (size === 2) buffer.swap16();
  else if (size === 4) buffer.swap32();
  else if (size === 8) buffer.swap64();
}

/** The value of an IEEE 754 binary16 bit pattern. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

function widenBfloat16(halves: Uint16Array): Float32Array {
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < bits.length; i++) bits[i] = (halves[i] as number) << 16;
  return new Float32Array(bits.buffer);
}
