import { blockLayout } from '../layers/block-layout.js';
import { addCosts, costOf, type PassCost } from '../layers/cost.js';
import { OperationList } from '../layers/operation-list.js';
import type { Operation } from '../layers/operations.js';
import { parameterSizes } from '../model/layer-parameters.js';
import { listForward } from '../model/layer-work.js';
import { networkLayers } from '../model/network-layers.js';
import { listBackwardPass } from '../model/remade-parts.js';
import type { NetworkSpecification } from '../model/specification.js';

/** Forward and backward of one step. */
export interface StepCost {
  readonly forward: PassCost;
  readonly backward: PassCost;
  readonly total: PassCost;
}

/**
 * Matrix-product FLOPs and payload bytes of a rank that hosts P/R blocks, for one pass of
 * `columns` samples, from what its layers call: the same on every rank.
 *
 * @param inputGradient whether the gradient of the network's input is computed. Default false
 */
export function stepCost(
  specification: NetworkSpecification,
  ranks: number,
  columns: number,
  inputGradient = false,
): StepCost {
  const passes = networkOperations(specification, ranks, columns, inputGradient);
  const forward = costOf(passes.forward, ranks);
  const backward = costOf(passes.backward, ranks);
  return { forward, backward, total: addCosts(forward, backward) };
}

/** What the layers of the first rank call. */
function networkOperations(
  specification: NetworkSpecification,
  ranks: number,
  columns: number,
  inputGradient: boolean,
): { forward: Operation[]; backward: Operation[] } {
  const layout = blockLayout(specification.blocks, ranks, 0);
  const [forward, backward] = [
    new OperationList(layout, columns),
    new OperationList(layout, columns),
  ];
  backward.pass = 'backward';
  const layers = networkLayers(specification);
  for (const layer of layers) listForward(layer, forward);
  const { recompute } = specification;
  listBackwardPass(layers, backward, { recompute, inputGradient });
  return { forward: forward.operations, backward: backward.operations };
}

/** Parameters of the whole network. */
export function parameterCount(specification: NetworkSpecification): number {
  const whole = { firstBlock: 0, blocksHere: specification.blocks };
  return parameterSizes(networkLayers(specification), whole).reduce((sum, size) => sum + size, 0);
}

/** Bytes of the largest payload that a rank hands to one collective in a step of B columns. */
export function largestPayloadBytes(
  specification: NetworkSpecification,
  ranks: number,
  columns: number,
): number {
  if (ranks === 1) return 0;
  const { forward, backward } = networkOperations(specification, ranks, columns, false);
  const bytes = [...forward, ...backward].map((operation) =>
    operation.kind === 'start' ? operation.wholeBytes : 0,
  );
  return bytes.reduce((most, one) => Math.max(most, one), 0);
}
