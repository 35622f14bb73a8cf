import { Variable } from '../autograd/tape.js';
import type { Batch } from '../data/loader/batches.js';
import type { Engine } from '../engines/engine.js';
import type { BlockLayout } from '../layers/block-layout.js';
import type { LossName } from '../layers/loss-names.js';
import { type LossOperator, SoftmaxCrossEntropy, SquaredError } from '../layers/losses.js';
import type { NetworkSpecification } from '../model/specification.js';

/** What is minimised: the loss, and the tensors that a batch is read into. */
export interface Objective {
  readonly loss: LossOperator;
  readonly x: Variable;
  readonly y: Variable;
  /** Whether each rank's loss is a part of the sum, or already the whole. */
  readonly sharded: boolean;
  /** Samples of a step of all replicas: the loss is a mean over them. */
  readonly samples: number;
  /** Copies a batch, or this rank's rows of it, into `x` and `y`. */
  read(batch: Batch): void;
}

/** What an objective is made of. */
export interface ObjectiveOptions {
  readonly specification: NetworkSpecification;
  readonly loss: LossName;
  readonly layout: BlockLayout;
  readonly engine: Engine;
  /** Samples of a micro-batch. */
  readonly columns: number;
  /** Samples of a step of all replicas: losses are means over them. */
  readonly samples: number;
  /** Whether the gradient of x is computed, as inside a deeper network. Default: not. */
  readonly inputGradient?: boolean;
}

/** Tensors for a batch and its answers, and the loss that compares them. */
export function createObjective(options: ObjectiveOptions): Objective {
  const { specification, loss, layout, engine, columns, samples } = options;
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
        ? new SquaredError(1 / (samples * targets), columns, sharded ? layout.blocksHere : 1)
        : new SoftmaxCrossEntropy(1 / samples, columns),
    x: new Variable(x, options.inputGradient ?? false),
    y: new Variable(y, false),
    sharded,
    samples,
    read(batch) {
      x.data.set(batch.x.subarray(first, first + x.data.length));
      y.data.set(batch.y.subarray(firstTarget, firstTarget + y.data.length));
    },
  };
}
