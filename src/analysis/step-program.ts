import { blockLayout } from '../layers/block-layout.js';
import { OperationList } from '../layers/operation-list.js';
import { isOfClasses, type LossName } from '../layers/loss-names.js';
import type { Operation } from '../layers/operations.js';
import { edgeRows, inputEdge, outputEdge } from '../model/edges.js';
import { parameterSizes } from '../model/layer-parameters.js';
import { listForward } from '../model/layer-work.js';
import { networkLayers } from '../model/network-layers.js';
import { listBackwardPass } from '../model/remade-parts.js';
import type { NetworkSpecification } from '../model/specification.js';
import { AVERAGE_KERNEL } from '../optimizers/weight-average.js';
import type { OptimizerName } from '../optimizers/optimizer-list.js';

/** What determines a rank's step, besides the network. */
export interface StepShape {
  readonly specification: NetworkSpecification;
  /** R */
  readonly ranks: number;
  /** B */
  readonly columns: number;
  readonly loss: LossName;
  /** Outputs for each target. Default: one. */
  readonly quantiles?: number;
  /** Whether samples have weights. Default: not. */
  readonly weighted?: boolean;
  readonly optimizer: OptimizerName;
  /** Whether a moving average of the weights is kept. */
  readonly average: boolean;
  /** Whether the device rounds float32 operands of products to TF32. Default: not. */
  readonly tf32?: boolean;
  /** Whether the gradient of the input is computed, as inside a deeper network. */
  readonly inputGradient: boolean;
}

/** Bytes that ranks agree on after the loss: its sum, correct columns and requests to stop. */
const AGREEMENT_BYTES = 24;

/**
 * Everything that one rank does in a training step, in order, as the operators are written: their
 * matrix products, passes over memory and collectives, from sizes alone. FLOPs, bytes, messages,
 * overlap and times follow from it; a test compares it with what operators really call.
 */
export function stepProgram(shape: StepShape, rank: number): Operation[] {
  const { specification, ranks, columns, loss, optimizer, average, inputGradient } = shape;
  const { blocks } = specification;
  const layers = networkLayers(specification);
  const layout = blockLayout(blocks, ranks, rank);
  const list = new OperationList(layout, columns);
  const { quantiles = 1, weighted = false } = shape;
  const leaving = outputEdge(specification);
  const targets = edgeRows(leaving, layout);
  list.elements('copy', edgeRows(inputEdge(specification), layout).count);
  list.elements('copy', isOfClasses(loss) ? 1 : targets.count / quantiles);
  if (weighted) list.elements('copy', 1);

  for (const layer of layers) {
    listForward(layer, list);
  }
  if (loss === 'quantile') {
    for (let i = 0; i < leaving.width; i++) list.elements(loss, 1);
  } else if (leaving.spread === 'replicated') list.elements(loss, leaving.width);
  else {
    const each = leaving.padded / blocks;
    list.eachBlock((j) => {
      const rows = Math.min(each, targets.count - j * each);
      if (rows > 0) list.elements(loss, rows);
    });
  }
  const agreement = list.start('all-reduce', AGREEMENT_BYTES, 'agreement');
  list.pass = 'backward';
  listBackwardPass(layers, list, { recompute: specification.recompute, inputGradient });
  list.wait(agreement);
  const sizes = parameterSizes(layers, layout);
  for (const elements of sizes) list.update(optimizer, elements);
  if (average) for (const elements of sizes) list.update(AVERAGE_KERNEL, elements);
  return list.operations;
}
