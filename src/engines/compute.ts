import type { Dtype } from '../tensor/tensor.js';

/** What is multiplied: float32; float32 that the device rounds to TF32 (11 bits) on the way, which has to be
 * asked for; bfloat16. Products are float32. */
export const COMPUTE_CHOICES = ['float32', 'tf32', 'bfloat16'] as const;
export type Compute = (typeof COMPUTE_CHOICES)[number];

/** What tensors that are multiplied hold. */
export function operandsIn(compute: Compute): Dtype {
  return compute === 'bfloat16' ? 'bfloat16' : 'float32';
}
