import type { Operator, OperatorContext } from '../autograd/operator.js';
import type { CrossEntropyResult } from '../engines/engine.js';
import { type Tensor, tensorRows } from '../tensor/tensor.js';
import { range } from './block-layout.js';
import { treeSum } from './block-sum.js';

/** What a loss operator left behind: sums over this rank's elements, in float64. */
export interface LossReading {
  /** Of squared errors, or of cross-entropies: one for each block that has its own rows. */
  readonly blockSums: Float64Array;
  /** Columns whose largest logit is the label's; NaN where the loss has no notion of it. */
  correct: number;
}

/** A loss: `reading` holds the exact sums after `forward`; the output is their scaled float32. */
export interface LossOperator extends Operator {
  readonly reading: LossReading;
  /** Factor from the sum to the mean that is minimised, over the whole batch. */
  readonly scale: number;
  /** Columns that count, from the first on: fewer than all in a padded validation batch. */
  validColumns: number;
}

/**
 * Mean-squared error, each rank on its own rows.
 *
 * | tensor | shape | |
 * |---|---|---|
 * | z | [rows, B] | input, sharded or replicated |
 * | y | [rows, B] | target |
 * | loss | [1] | scale · Σ (z − y)² over this rank's rows |
 *
 * Forward: as in the table; the sum over ranks is left to the caller. Backward:
 * dz = 2 · scale · (z − y). No collective. Saved: dz.
 */
export class SquaredError implements LossOperator {
  readonly name = 'squared error';
  readonly scale: number;
  readonly reading: LossReading;
  validColumns: number;

  /**
   * @param scale 1 / (batch · features), over all ranks and micro-batches
   * @param blocks parts of z that are summed one by one, then by the tree over blocks, so that
   *   the sum over all ranks does not depend on how many there are
   */
  constructor(scale: number, columns: number, blocks: number) {
    this.scale = scale;
    this.validColumns = columns;
    this.reading = { blockSums: new Float64Array(blocks), correct: Number.NaN };
  }

  forward(context: OperatorContext, z: Tensor, target: Tensor): Tensor {
    const parts = context.plan(() => this.#plan(context, z, target));
    const { blockSums } = this.reading;
    for (const [j, part] of parts.entries()) {
      const { z: zPart, target: y, dz } = part;
      blockSums[j] = context.engine.squaredError(zPart, y, dz, this.scale, this.validColumns);
    }
    return scaled(context, treeSum(blockSums) * this.scale);
  }

  #plan(context: OperatorContext, z: Tensor, target: Tensor) {
    const dz = context.buffer('dz', ...z.shape);
    const blocks = this.reading.blockSums.length;
    const rows = (z.shape[0] ?? 1) / blocks;
    return range(blocks).map((j) => ({
      z: tensorRows(z, j * rows, rows),
      target: tensorRows(target, j * rows, rows),
      dz: tensorRows(dz, j * rows, rows),
    }));
  }

  /** dLoss is taken as one: the loss ends the computation. */
  backward(context: OperatorContext): void {
    context.giveGradient(0, context.buffer('dz', ...(context.inputs[0]?.shape ?? [])));
  }
}

/**
 * Softmax cross-entropy of replicated logits; every rank computes the same.
 *
 * | tensor | shape | |
 * |---|---|---|
 * | z | [C, B] | logits |
 * | y | [B] | labels, class indices as float32 |
 * | loss | [1] | scale · Σ over columns of (log Σ_c exp z_c − z_y) |
 *
 * Forward: as in the table. Backward: dz = scale · (softmax(z) − one-hot(y)). No collective.
 * Saved: dz.
 */
export class SoftmaxCrossEntropy implements LossOperator {
  readonly name = 'softmax cross-entropy';
  readonly scale: number;
  readonly reading: LossReading = { blockSums: new Float64Array(1), correct: 0 };
  validColumns: number;
  readonly #result: CrossEntropyResult = { lossSum: 0, correct: 0 };

  /** @param scale 1 / batch, over all micro-batches */
  constructor(scale: number, columns: number) {
    this.scale = scale;
    this.validColumns = columns;
  }

  forward(context: OperatorContext, logits: Tensor, labels: Tensor): Tensor {
    const dLogits = context.buffer('dz', ...logits.shape);
    const { engine } = context;
    const result = this.#result;
    engine.softmaxCrossEntropy(logits, labels, dLogits, this.scale, this.validColumns, result);
    this.reading.blockSums[0] = result.lossSum;
    this.reading.correct = result.correct;
    return scaled(context, result.lossSum * this.scale);
  }

  /** dLoss is taken as one: the loss ends the computation. */
  backward(context: OperatorContext): void {
    context.giveGradient(0, context.buffer('dz', ...(context.inputs[0]?.shape ?? [])));
  }
}

function scaled(context: OperatorContext, value: number): Tensor {
  const loss = context.buffer('loss', 1);
  loss.data[0] = value;
  return loss;
}
