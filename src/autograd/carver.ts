import {
  type AnyTensor,
  asBfloat16,
  type Dtype,
  elementBytes,
  elementCount,
  type Tensor,
  tensorPart,
} from '../tensor/tensor.js';

/** Floats between the starts of two tensors are a multiple of this: 64 bytes, as engines align. */
const ALIGNMENT = 16;

/** Floats that a tensor takes. */
export function floatsOf(shape: readonly number[], dtype: Dtype): number {
  return Math.ceil((elementBytes(dtype) * elementCount(shape)) / 4);
}

/** Carves tensors out of memory, one after another from its start. */
export class Carver {
  readonly memory: Tensor;
  /** Floats up to where the next tensor starts. */
  from = 0;

  constructor(memory: Tensor) {
    this.memory = memory;
  }

  /** @returns null where what is left is too small */
  take(shape: readonly number[], dtype: Dtype): AnyTensor | null {
    const { memory, from } = this;
    const floats = floatsOf(shape, dtype);
    if (from + floats > memory.length) return null;
    this.from += Math.ceil(floats / ALIGNMENT) * ALIGNMENT;
    return dtype === 'float32'
      ? tensorPart(memory, from, shape)
      : asBfloat16(tensorPart(memory, from, [memory.length - from]), shape);
  }
}
