import type { Operator, OperatorContext } from '../../autograd/operator.js';
import { float32, type Tensor, tensorRows } from '../../tensor/tensor.js';
import { type BlockLayout, range } from '../block-layout.js';
import { BlockSum } from '../block-sum.js';
import { elementOf } from '../element-of.js';
import type { Spread } from '../outline.js';

/**
 * Normalizes every sample by its root mean square: what stands before a layer that has no exchange
 * its statistics could ride with. A gain per feature is left out: the layer that follows has it.
 *
 * | tensor | shape | |
 * |---|---|---|
 * | x | [rows, B] | input, sharded over blocks or replicated |
 * | s | [B] | Σ x² over all N features |
 * | r | [B] | √(s / N + 1e-6) |
 * | u | [rows, B] | output |
 *
 * Forward: u = x / r. Backward: dx = du / r − x · (Σ du∘x) / (N r³). Of a sharded input both sums go
 * over ranks: an all-reduce of B numbers a pass, by the fixed tree over blocks. Passes over memory
 * only. Saved: x, u, r.
 */
export class RmsNorm implements Operator {
  readonly name: string;
  readonly layout: BlockLayout;
  /** N */
  readonly #features: number;
  readonly #spread: Spread;

  constructor(name: string, features: number, spread: Spread, layout: BlockLayout) {
    this.name = name;
    this.layout = layout;
    this.#features = features;
    this.#spread = spread;
  }

  forward(context: OperatorContext, x: Tensor): Tensor {
    const { engine } = context;
    const plan = context.plan(() => this.#plan(context, x));
    // r is kept: what is made again needs no sum over ranks.
    if (context.again === 'no') {
      this.#sum(context, plan, x, plan.square);
      engine.inverseRms(plan.square, this.#features, plan.inverse);
    }
    engine.scaleColumns(x, plan.inverse, plan.u);
    return plan.u;
  }

  backward(context: OperatorContext, du: Tensor): void {
    const { engine } = context;
    const x = float32(elementOf(context.inputs, 0));
    const plan = context.plan(() => this.#plan(context, x));
    const columns = x.shape[1] ?? 1;
    const dots = context.buffer('dots', 1, columns);
    const correction = context.buffer('correction', columns);
    const dx = context.buffer('dx', ...x.shape);
    this.#sum(context, plan, du, dots);
    engine.rmsCorrection(dots, plan.inverse, this.#features, correction);
    engine.scaleColumns(du, plan.inverse, dx);
    engine.addScaledColumns(x, correction, dx);
    context.giveGradient(0, dx);
  }

  /** out = Σ a∘x over the rows of all ranks. */
  #sum({ engine, communicator }: OperatorContext, plan: Plan, a: Tensor, out: Tensor): void {
    const parts = plan.partsOf(a);
    plan.sum.into(out, (j, target) => {
      engine.columnDots(elementOf(parts, j), elementOf(plan.x, j), target);
    });
    if (this.#spread === 'sharded') communicator.allReduceSum(out);
  }

  #plan(context: OperatorContext, x: Tensor): Plan {
    const columns = x.shape[1] ?? 1;
    const blocks = this.#spread === 'sharded' ? this.layout.blocksHere : 1;
    const rows = (x.shape[0] ?? 1) / blocks;
    const split = (whole: Tensor) => range(blocks).map((j) => tensorRows(whole, j * rows, rows));
    const known = new Map<Tensor, Tensor[]>();
    return {
      u: context.buffer('u', ...x.shape),
      square: context.buffer('square', 1, columns),
      inverse: float32(context.keptBuffer('float32', 'inverse', columns)),
      sum: new BlockSum(context.engine, blocks, (level) =>
        context.buffer(`partial sum ${level}`, 1, columns),
      ),
      x: split(x),
      partsOf(whole) {
        const parts = known.get(whole) ?? split(whole);
        known.set(whole, parts);
        return parts;
      },
    };
  }
}

interface Plan {
  readonly u: Tensor;
  readonly square: Tensor;
  readonly inverse: Tensor;
  readonly sum: BlockSum;
  /** By block. */
  readonly x: readonly Tensor[];
  partsOf(whole: Tensor): readonly Tensor[];
}
