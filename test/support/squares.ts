import type { Engine } from '#src/engines/engine.js';
import type { Tensor } from '#src/tensor/tensor.js';

/** Mean of the squares of a tensor's elements. */
export function meanSquare(engine: Engine, tensor: Tensor): number {
  const slots = engine.slots(1);
  engine.sumOfSquares(tensor, slots, 0);
  return (engine.read(slots)[0] ?? 0) / tensor.length;
}
