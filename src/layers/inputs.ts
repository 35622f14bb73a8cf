import type { PassCost } from '../autograd/operator.js';

/**
 * Traffic of a rank in an all-reduce of float32 elements: a reduce-scatter and an all-gather of
 * shards of ⌈elements/R⌉, the least any algorithm moves where the shards are equal.
 */
export function allReduceCost(elements: number, ranks: number): Omit<PassCost, 'flops'> {
  const bytes = 2 * (ranks - 1) * Math.ceil(elements / ranks) * 4;
  return { sentBytes: bytes, receivedBytes: bytes, collectives: 1 };
}
