import type { LayerSizes, ParameterShape } from './outline.js';

/** The variance of a dense layer's weights that gives outputs of the layer's variance. */
export function denseVariance({ inputs, secondMoment, outputVariance }: LayerSizes): number {
  return outputVariance / (inputs * secondMoment);
}

/** The rows of a dense matrix that belong to one block: `weight` [n, inputs]. */
export function matrixRowsOf(layer: LayerSizes, block: number): ParameterShape[] {
  const { inputs, outputs, blocks } = layer;
  const n = outputs / blocks;
  const place = { shape: [outputs, inputs], row: block * n, column: 0 };
  return [{ part: 'weight', shape: [n, inputs], variance: denseVariance(layer), place }];
}

/** The name of a tensor of one block in checkpoints. */
export function parameterName(
  layer: LayerSizes,
  { part, place }: ParameterShape,
  block: number,
): string {
  const whole = `${layer.name}.${part}`;
  return layer.storedWhole && place !== null ? whole : `${whole}.${block}`;
}
