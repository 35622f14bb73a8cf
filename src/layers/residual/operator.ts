import type { Operator, OperatorContext } from '../../autograd/operator.js';
import { float32, type Tensor, tensorRows } from '../../tensor/tensor.js';
import { elementOf } from '../element-of.js';

/**
 * The end of a residual block: adds what its layers made to what entered it.
 *
 * | tensor | shape | |
 * |---|---|---|
 * | d | [rows, B] | what the block's last layer gives; holds d + b afterwards |
 * | x | [rows, B] | what entered the block |
 * | b_j `bias` | [rows of block j] | one tensor a block, or none at all |
 * | y | [rows, B] | output |
 *
 * Inputs: d, x, then every b_j, in row order.
 *
 * Forward: y = x + d + b. Backward: dd = dx = dy, which is handed on without a copy, so that all
 * blocks add to one gradient; db_j += row sums of dy. No collective, no matrix product. Saved: y.
 */
export class Residual implements Operator {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  forward(context: OperatorContext, d: Tensor, x: Tensor): Tensor {
    const plan = context.plan(() => this.#plan(context, d));
    for (const { bias, d: part } of plan.parts) {
      context.engine.biasActivation('identity', part, bias, part);
    }
    context.engine.add(x, d, plan.y);
    return plan.y;
  }

  backward(context: OperatorContext, dy: Tensor): void {
    const plan = context.plan(() => this.#plan(context, float32(elementOf(context.inputs, 0))));
    plan.gradients ??= plan.parts.map(({ from, rows }) => tensorRows(dy, from, rows));
    for (const [j, part] of plan.gradients.entries()) {
      const dBias = context.gradient(2 + j);
      const beta = context.gradientBeta(2 + j);
      context.engine.biasActivationGradient('identity', part, part, part, part, beta, dBias);
    }
    context.giveGradient(0, dy);
    context.giveGradient(1, dy);
  }

  #plan(context: OperatorContext, d: Tensor): Plan {
    let from = 0;
    const parts = context.inputs.slice(2).map((operand) => {
      const bias = float32(operand);
      const rows = bias.length;
      const part = { bias, from, rows, d: tensorRows(d, from, rows) };
      from += rows;
      return part;
    });
    return { y: context.buffer('y', ...d.shape), parts, gradients: null };
  }
}

interface Plan {
  readonly y: Tensor;
  readonly parts: readonly {
    readonly bias: Tensor;
    readonly from: number;
    readonly rows: number;
    readonly d: Tensor;
  }[];
  /** Rows of dy. */
  gradients: readonly Tensor[] | null;
}
