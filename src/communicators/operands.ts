import { UnsupportedError } from '../base/errors.js';
import { type Bytes, hostView, type Tensor } from '../tensor/tensor.js';

/** What is summed, in host memory: network tensors are float32, scalars for people float64. */
export type Payload = Float32Array | Float64Array;

/** What is moved and never summed, in host memory: float32, or bytes that only the sender and the receiver
 * read. */
export type MovedPayload = Float32Array | Uint8Array;

/** What collectives sum: a host's array, or a tensor in the memory of the rank's engine. */
export type Summed = Payload | Tensor;

/** What collectives move: a host's array, or a region of the engine's memory. */
export type Moved = MovedPayload | Tensor | Bytes;

/** Bytes of an element. */
export function bytesEach(operand: Moved | Summed): number {
  if (ArrayBuffer.isView(operand)) return operand.BYTES_PER_ELEMENT;
  return operand.dtype === 'bytes' ? 1 : 4;
}

/** Bytes of all elements. */
export function byteLength(operand: Moved | Summed): number {
  return bytesEach(operand) * operand.length;
}

/** An operand in host memory: the array itself, or what is behind a region.
 * @throws UnsupportedError where the region is in other memory */
export function hostOf(operand: Float32Array | Tensor): Float32Array;
export function hostOf(operand: Summed): Payload;
export function hostOf(operand: Moved): MovedPayload;
export function hostOf(operand: Moved | Summed): MovedPayload | Payload {
  if (ArrayBuffer.isView(operand)) return operand;
  const view = hostView<'float32' | 'bytes'>(operand);
  if (view !== null) return view;
  throw new UnsupportedError(
    'collective',
    'an operand is in memory that the host cannot reach; put a StagedTransport around the transport',
  );
}

/** A region that the host does not reach; null: the host reaches the operand. */
export function regionOf(operand: Moved | Summed): Tensor | Bytes | null {
  return ArrayBuffer.isView(operand) || hostView<'float32' | 'bytes'>(operand) ? null : operand;
}
