import type { Operator, OperatorContext } from '../../autograd/operator.js';
import {
  type Bytes,
  bytesOf,
  type Dtype,
  float32,
  type Tensor,
  tensorRows,
} from '../../tensor/tensor.js';
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
 * For products that take bfloat16, dd is dy rounded, in memory of its own; the stream stays float32.
 */
export class Residual implements Operator {
  readonly name: string;
  readonly #gradient: Dtype;

  /** @param gradient of dd */
  constructor(name: string, gradient: Dtype = 'float32') {
    this.name = name;
    this.#gradient = gradient;
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
    if (this.#gradient === 'float32') context.giveGradient(0, dy);
    else {
      const dd = context.bufferOf('bfloat16', 'dd', ...dy.shape);
      plan.rounded ??= bytesOf(dd);
      context.engine.encodeRows('bfloat16', dy, plan.rounded);
      context.giveGradient(0, dd);
    }
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
    return { y: context.buffer('y', ...d.shape), parts, gradients: null, rounded: null };
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
  /** Where dd is, rounded. */
  rounded: Bytes | null;
}
