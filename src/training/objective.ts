import { Variable } from '../autograd/tape.js';
import type { Batch } from '../data/loader/batches.js';
import type { Engine } from '../engines/engine.js';
import type { BlockLayout } from '../layers/block-layout.js';
import { type LossOperator, SoftmaxCrossEntropy, SquaredError } from '../layers/losses.js';
import type { NetworkSpecification } from '../model/specification.js';

/** What is minimised: the loss, and the tensors that a batch is read into. */
export interface Objective {
  readonly loss: LossOperator;
  readonly x: Variable;
  readonly y: Variable;
  /** Whether each rank's loss is a part of the sum, or already the whole. */
  readonly sharded: boolean;
  /** Copies a batch, or this rank's rows of it, into `x` and `y`. */
  read(batch: Batch): void;
}

/**
 * @param columns samples of a micro-batch
 * @param batchSize samples of a step: losses are means over it
 * @param inputGradient whether the gradient of x is computed, as inside a deeper network
 */
export function createObjective(
  specification: NetworkSpecification,
  loss: 'mse' | 'cross-entropy',
  layout: BlockLayout,
  engine: Engine,
  columns: number,
  batchSize: number,
  inputGradient = false,
): Objective {
  const { ends, width, blocks } = specification;
  const sharded = ends.kind === 'sharded';
  const rows = layout.blocksHere * (width / blocks);
  const [inputs, outputs] = ends.kind === 'sharded' ? [rows, rows] : [ends.inputs, ends.outputs];
  const first = sharded ? layout.firstBlock * (width / blocks) * columns : 0;
  const x = engine.allocate([inputs, columns]);
  const y = engine.allocate(loss === 'mse' ? [outputs, columns] : [columns]);
  const firstTarget = loss === 'mse' ? first : 0;
  const targets = sharded ? width : outputs;
  return {
    loss:
      loss === 'mse'
        ? new SquaredError(1 / (batchSize * targets), columns, sharded ? layout.blocksHere : 1)
        : new SoftmaxCrossEntropy(1 / batchSize, columns),
    x: new Variable(x, inputGradient),
    y: new Variable(y, false),
    sharded,
    read(batch) {
      x.data.set(batch.x.subarray(first, first + x.data.length));
      y.data.set(batch.y.subarray(firstTarget, firstTarget + y.data.length));
    },
  };
}
