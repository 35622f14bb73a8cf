import assert from 'node:assert/strict';
import { type AnyTensor, hostView, type Tensor } from '#src/tensor/tensor.js';

/** The storage of a tensor of an engine in host memory. */
export function numbersOf(tensor: Tensor): Float32Array;
export function numbersOf(tensor: AnyTensor): Float32Array | Uint16Array;
export function numbersOf(tensor: AnyTensor): Float32Array | Uint16Array {
  const view = hostView<'float32' | 'bfloat16'>(tensor);
  assert(view !== null, 'the host cannot reach this tensor');
  return view;
}
