import type { Operator } from '#src/autograd/operator.js';
import { blockLayout } from '#src/layers/block-layout.js';
import type { LayerKind } from '#src/layers/kind.js';
import type { LayerSizes } from '#src/layers/outline.js';

/** What a layer of a kind is checked with on one rank. */
export interface LayerCase {
  readonly operator: Operator;
  /** Of the activation, then of the tensors. */
  readonly shapes: readonly (readonly number[])[];
}

/** Blocks give one feature more than they take. */
export function layerSizes(kind: LayerKind, more: Partial<LayerSizes> = {}): LayerSizes {
  const [P, m] = [4, 5];
  return {
    name: kind.name,
    storedWhole: false,
    blocks: P,
    inputs: P * m,
    outputs: P * (m + 1),
    ghosts: 2,
    ghostPrecision: 'float32',
    ghostActivation: null,
    compute: 'float32',
    secondMoment: 1,
    outputVariance: 1,
    normalized: false,
    ...more,
  };
}

export function layerCase(
  kind: LayerKind,
  layer: LayerSizes,
  columns: number,
  { rank, size }: { readonly rank: number; readonly size: number },
): LayerCase {
  const layout = blockLayout(layer.blocks, size, rank);
  const { blocksHere, firstBlock } = layout;
  const here = Array.from({ length: blocksHere }, (_, j) => kind.parameters(layer, firstBlock + j));
  // Ranks without a tensor that block 0 has take part in the quotients of the one that has it.
  const tensors = kind.parameters(layer, 0).flatMap(({ shape }, order) => {
    const shapes = here.flatMap((parameters) => {
      const parameter = parameters[order];
      return parameter ? [parameter.shape] : [];
    });
    return shapes.length === 0 ? [shape] : shapes;
  });
  const rows = kind.input === 'sharded' ? layer.inputs / size : layer.inputs;
  return { operator: kind.operator(layer, layout), shapes: [[rows, columns], ...tensors] };
}
