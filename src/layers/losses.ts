import type { Operator, OperatorContext } from '../autograd/operator.js';
import { ShapeError } from '../base/errors.js';
import type { Engine, Slots } from '../engines/engine.js';
import { type Tensor, tensorRows } from '../tensor/tensor.js';
import type { ElementLoss, ElementLossName } from '../engines/element-losses.js';
import { range } from './block-layout.js';
import { type LossOptions, USUAL_LOSS } from './loss-names.js';

/** What a loss operator came to: sums over this rank's elements, in float64. */
export interface LossReading {
  /** Of weighted losses: one for each block that has its own rows. */
  readonly blockSums: Float64Array;
  /** Columns whose largest logit is the label's; NaN where the loss has no notion of it. */
  correct: number;
}

/** A loss. Its output stands for it in the backward pass and holds no number: the sums are read by `read`,
 * once somebody needs them. */
export interface LossOperator extends Operator {
  /** Parts that are summed one by one. */
  readonly blocks: number;
  /** What the last forward pass came to; waits for it. The result is the same object in every call.
   * @throws ShapeError before the first forward pass */
  read(engine: Engine): LossReading;
  /** Factor from the sum to the mean that is minimized, over the whole batch. */
  readonly scale: number;
  /** Columns that count, from the first on: fewer than all in a padded validation batch. */
  validColumns: number;
}

/** The kernel's loss and parameter, of a row of the output where they differ. */
export function elementLossOf(name: ElementLossName, options: LossOptions, row = 0): ElementLoss {
  const { huberDelta, labelSmoothing, quantiles } = options;
  const parameters: Partial<Record<ElementLossName, number>> = {
    huber: huberDelta,
    quantile: quantiles[row % quantiles.length] ?? 0.5,
    'binary-cross-entropy': labelSmoothing,
  };
  return { name, parameter: parameters[name] ?? 0 };
}

/** What an element-wise loss is made of. */
export interface ElementwiseLossOptions {
  readonly name: ElementLossName;
  /** 1 / (batch · features), over all ranks and micro-batches. */
  readonly scale: number;
  /** Of a batch. */
  readonly columns: number;
  /** Parts of z that are summed one by one, then by the tree over blocks, so that the sum over all
   * ranks does not depend on how many there are. Default: one. */
  readonly blocks?: number;
  /** Of z that count, from the first; the others fill up the blocks. Default: all. */
  readonly rows?: number;
  /** Default: the usual. */
  readonly options?: LossOptions;
  /** [B]; null, the default: all samples weigh the same. */
  readonly weights?: Tensor | null;
}

/**
 * A loss of each element (see `ELEMENT_LOSSES`), each rank on its own rows.
 *
 * | tensor | shape | |
 * |---|---|---|
 * | z | [rows, B] | input, sharded or replicated; with Q quantiles Q rows for each of y |
 * | y | [rows / Q, B] | target |
 * | w | [B] | weights of the samples, where they have some |
 * | loss | [1] | stands for scale · Σ w · loss(z, y) over this rank's rows |
 *
 * Forward: as in the table; the sum over ranks is left to the caller. Backward:
 * dz = scale · w · ∂loss/∂z, zero in rows that only fill up the blocks. No collective. Saved: dz.
 */
export class ElementwiseLoss implements LossOperator {
  readonly name: string;
  readonly scale: number;
  readonly blocks: number;
  validColumns: number;
  readonly #reading: LossReading;
  /** What kernels give, and the block that each is a part of. */
  #sums: { readonly slots: Slots; readonly ofBlock: readonly number[] } | null = null;
  readonly #name: ElementLossName;
  readonly #options: LossOptions;
  readonly #weights: Tensor | null;
  readonly #rows: number;

  constructor(options: ElementwiseLossOptions) {
    this.#name = options.name;
    this.#options = options.options ?? USUAL_LOSS;
    this.#weights = options.weights ?? null;
    this.#rows = options.rows ?? Infinity;
    this.name = options.name;
    this.scale = options.scale;
    this.validColumns = options.columns;
    this.blocks = options.blocks ?? 1;
    this.#reading = { blockSums: new Float64Array(this.blocks), correct: Number.NaN };
  }

  forward(context: OperatorContext, z: Tensor, target: Tensor): Tensor {
    const { parts, sums } = context.plan(() => this.#plan(context, z, target));
    const { engine } = context;
    for (const [i, { loss, z: zPart, target: y, dz }] of parts.entries()) {
      const [weights, scale, valid] = [this.#weights, this.scale, this.validColumns];
      engine.elementLoss(loss, zPart, y, weights, dz, scale, valid, sums.slots, i);
    }
    this.#sums = sums;
    return context.buffer('loss', 1);
  }

  read(engine: Engine): LossReading {
    if (this.#sums === null)
      throw new ShapeError(this.name, 'no forward pass yet; nothing to read');
    const { slots, ofBlock } = this.#sums;
    const { blockSums } = this.#reading;
    blockSums.fill(0);
    for (const [i, sum] of engine.read(slots).entries()) {
      const block = ofBlock[i] ?? 0;
      blockSums[block] = (blockSums[block] ?? 0) + sum;
    }
    return this.#reading;
  }

  #plan(context: OperatorContext, z: Tensor, target: Tensor) {
    const parts = this.#parts(context, z, target);
    const ofBlock = parts.map(({ block }) => block);
    return { parts, sums: { slots: context.engine.slots(parts.length), ofBlock } };
  }

  /** A part for each block; with quantiles for each row. */
  #parts(context: OperatorContext, z: Tensor, target: Tensor) {
    const dz = context.buffer('dz', ...z.shape);
    const name = this.#name;
    const { quantiles } = this.#options;
    if (name === 'quantile') {
      return range(z.shape[0] ?? 1).map((row) => ({
        block: 0,
        loss: elementLossOf(name, this.#options, row),
        z: tensorRows(z, row, 1),
        target: tensorRows(target, Math.floor(row / quantiles.length), 1),
        dz: tensorRows(dz, row, 1),
      }));
    }
    const loss = elementLossOf(name, this.#options);
    const { blocks } = this;
    const rows = (z.shape[0] ?? 1) / blocks;
    return range(blocks).flatMap((block) => {
      const count = Math.min(rows, this.#rows - block * rows);
      const part = (whole: Tensor) => tensorRows(whole, block * rows, count);
      return count > 0 ? [{ block, loss, z: part(z), target: part(target), dz: part(dz) }] : [];
    });
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
 * | w | [B] | weights of the samples, where they have some |
 * | loss | [1] | stands for scale · Σ over columns of w · (log Σ_c exp z_c − z_y) |
 *
 * Forward: as in the table. Backward: dz = scale · w · (softmax(z) − one-hot(y)). With smoothing s,
 * (1 − s) z_y + s · mean z_c takes the place of z_y. No collective. Saved: dz.
 */
export class SoftmaxCrossEntropy implements LossOperator {
  readonly name = 'softmax cross-entropy';
  readonly scale: number;
  readonly blocks = 1;
  validColumns: number;
  readonly #reading: LossReading = { blockSums: new Float64Array(1), correct: 0 };
  /** Σ of losses, and how many columns are right. */
  #slots: Slots | null = null;
  readonly #smoothing: number;
  readonly #weights: Tensor | null;

  /**
   * @param scale 1 / batch, over all micro-batches
   * @param smoothing share of the label that is spread over all classes
   * @param weights [B], or null: all samples weigh the same
   */
  constructor(scale: number, columns: number, smoothing = 0, weights: Tensor | null = null) {
    this.scale = scale;
    this.validColumns = columns;
    this.#smoothing = smoothing;
    this.#weights = weights;
  }

  forward(context: OperatorContext, logits: Tensor, labels: Tensor): Tensor {
    const dLogits = context.buffer('dz', ...logits.shape);
    const { engine } = context;
    const slots = context.plan(() => engine.slots(2));
    engine.softmaxCrossEntropy(
      logits,
      labels,
      this.#weights,
      this.#smoothing,
      dLogits,
      this.scale,
      this.validColumns,
      slots,
      0,
    );
    this.#slots = slots;
    return context.buffer('loss', 1);
  }

  read(engine: Engine): LossReading {
    if (this.#slots === null)
      throw new ShapeError(this.name, 'no forward pass yet; nothing to read');
    const [lossSum = 0, correct = 0] = engine.read(this.#slots);
    this.#reading.blockSums[0] = lossSum;
    this.#reading.correct = correct;
    return this.#reading;
  }

  /** dLoss is taken as one: the loss ends the computation. */
  backward(context: OperatorContext): void {
    context.giveGradient(0, context.buffer('dz', ...(context.inputs[0]?.shape ?? [])));
  }
}
