import type { Operator, OperatorContext } from '../../autograd/operator.js';
import { type Tensor, tensorRows } from '../../tensor/tensor.js';
import type { BlockLayout } from '../block-layout.js';

/** The rows of the rank's blocks. */
function ownRows(whole: Tensor, { blocks, blocksHere, firstBlock }: BlockLayout): Tensor {
  const each = (whole.shape[0] ?? 1) / blocks;
  return tensorRows(whole, firstBlock * each, blocksHere * each);
}

/**
 * A sharded activation becomes a replicated one.
 *
 * | tensor | shape on a rank that hosts block j | |
 * |---|---|---|
 * | x_j | [m, B] | input, sharded over blocks |
 * | y | [P·m, B] | output, the same on every rank |
 *
 * Forward: y = allGather(x_j) (dual: none). Backward: dy is the same on every rank; dx_j is its
 * rows. All-gather of 4·P·m·B bytes. Saved: y.
 */
export class Join implements Operator {
  readonly name: string;
  readonly layout: BlockLayout;

  constructor(name: string, layout: BlockLayout) {
    this.name = name;
    this.layout = layout;
  }

  forward(context: OperatorContext, x: Tensor): Tensor {
    const { blocks, blocksHere } = this.layout;
    const rows = ((x.shape[0] ?? 1) / blocksHere) * blocks;
    const y = context.buffer('y', rows, x.shape[1] ?? 1);
    context.communicator.startAllGather(x, y).wait();
    return y;
  }

  backward(context: OperatorContext, dy: Tensor): void {
    context.giveGradient(
      0,
      context.plan(() => ownRows(dy, this.layout)),
    );
  }
}

/**
 * A replicated activation becomes a sharded one: the dual of `Join`.
 *
 * Forward: y_j = the rows of x that block j has, where they lie (dual: all-gather). Backward:
 * dx = allGather(dy_j), 4·P·m·B bytes. Saved: nothing.
 */
export class Split implements Operator {
  readonly name: string;
  readonly layout: BlockLayout;

  constructor(name: string, layout: BlockLayout) {
    this.name = name;
    this.layout = layout;
  }

  forward(context: OperatorContext, x: Tensor): Tensor {
    return context.plan(() => ownRows(x, this.layout));
  }

  backward(context: OperatorContext, dy: Tensor): void {
    const dx = context.buffer('dx', ...(context.inputs[0]?.shape ?? []));
    context.communicator.startAllGather(dy, dx).wait();
    context.giveGradient(0, dx);
  }
}
