import { Variable } from '../autograd/tape.js';
import type { Batch } from '../data/loader/batches.js';
import type { Engine } from '../engines/engine.js';
import type { BlockLayout } from '../layers/block-layout.js';
import {
  isOfClasses,
  type LossName,
  type LossOptions,
  outputsPerTarget,
  USUAL_LOSS,
} from '../layers/loss-names.js';
import { ElementwiseLoss, type LossOperator, SoftmaxCrossEntropy } from '../layers/losses.js';
import { type Tensor, tensorPart } from '../tensor/tensor.js';
import { edgeRows, type EdgeRows, inputEdge, outputEdge } from '../model/edges.js';
import type { NetworkSpecification } from '../model/specification.js';

/** What is minimized: the loss, and the tensors that a batch is read into. */
export interface Objective {
  readonly loss: LossOperator;
  readonly x: Variable;
  readonly y: Variable;
  /** [B]; null: all samples weigh the same. */
  readonly weights: Tensor | null;
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
  /** Default: the usual. */
  readonly lossOptions?: LossOptions;
  /** Whether the last row of the answers is weights of the samples. Default: not. */
  readonly weighted?: boolean;
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
  const { specification, loss: name, layout, engine, columns, samples } = options;
  const { lossOptions = USUAL_LOSS } = options;
  const [entering, leaving] = [inputEdge(specification), outputEdge(specification)];
  const [features, outputs] = [edgeRows(entering, layout), edgeRows(leaving, layout)];
  const sharded = leaving.spread === 'sharded';
  // Only whole outputs have several rows of a target.
  const each = outputsPerTarget(name, lossOptions);
  const targets = { ...outputs, count: outputs.count / each, held: outputs.held / each };
  const x = engine.allocate([features.held, columns]);
  const y = engine.allocate(isOfClasses(name) ? [columns] : [targets.held, columns]);
  const weights = options.weighted ? engine.allocate([columns]) : null;
  // Rows that only fill up the blocks stay zero.
  const [xRows, yRows] = [
    tensorPart(x, 0, [features.count, columns]),
    isOfClasses(name) ? y : tensorPart(y, 0, [targets.count, columns]),
  ];
  const read = ({ first, count }: EdgeRows, from: Float32Array, to: Tensor): void =>
    engine.toDevice(from.subarray(first * columns, (first + count) * columns), to);
  return {
    loss: isOfClasses(name)
      ? new SoftmaxCrossEntropy(1 / samples, columns, lossOptions.labelSmoothing, weights)
      : new ElementwiseLoss({
          name,
          scale: 1 / (samples * leaving.width),
          columns,
          blocks: sharded ? layout.blocksHere : 1,
          rows: outputs.count,
          options: lossOptions,
          weights,
        }),
    x: new Variable(x, options.inputGradient ?? false),
    y: new Variable(y, false),
    weights,
    sharded,
    samples,
    read(batch) {
      read(features, batch.x, xRows);
      if (isOfClasses(name)) engine.toDevice(batch.y.subarray(0, columns), y);
      else read(targets, batch.y, yRows);
      if (weights) engine.toDevice(batch.y.subarray(batch.y.length - columns), weights);
    },
  };
}
