import type { Operator, OperatorContext } from '../../autograd/operator.js';
import { bytesOf, type Tensor } from '../../tensor/tensor.js';

/**
 * What enters a network, or a part that works in float32 gives, for products that take bfloat16:
 * element-wise, so each rank rounds its rows.
 *
 * Forward: y = x rounded to nearest, ties to even. Backward, straight-through: dx = dy. No collective.
 * Saved: y.
 */
export class Rounded implements Operator {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  forward(context: OperatorContext, x: Tensor): Tensor<'bfloat16'> {
    const plan = context.plan(() => {
      const y = context.bufferOf('bfloat16', 'y', ...x.shape);
      return { y, bytes: bytesOf(y) };
    });
    context.engine.encodeRows('bfloat16', x, plan.bytes);
    return plan.y;
  }

  backward(context: OperatorContext, dy: Tensor): void {
    context.giveGradient(0, dy);
  }
}
