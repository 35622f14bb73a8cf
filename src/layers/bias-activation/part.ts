import type { Activation } from '../../engines/activations.js';
import { range } from '../block-layout.js';
import type { LayerSizes, Spread } from '../outline.js';
import { paddedBytes } from '../padded-bytes.js';
import { type LayerPart, PLAIN_PART } from '../part.js';
import { listActivation } from './program.js';

/**
 * The activation of a layer, with the bias of a sharded output.
 *
 * @param given what takes its output: a layer's products, or what works in float32
 */
export function activationPart(
  { name, outputs, blocks, compute }: Pick<LayerSizes, 'name' | 'outputs' | 'blocks' | 'compute'>,
  activation: Activation,
  output: Spread,
  given: 'products' | 'other',
): LayerPart {
  const isSharded = output === 'sharded';
  const written = given === 'products' ? compute : 'float32';
  // A layer with a replicated output sums a bias from it, and rounds it itself.
  const gradient = isSharded ? compute : 'float32';
  // Of a sharded output block by block; a replicated one has no bias of its own, and is one part.
  const rows = (blocksHere: number) =>
    isSharded ? range(blocksHere).map(() => outputs / blocks) : [outputs];
  return {
    ...PLAIN_PART,
    name: `${name}.${activation}`,
    takesBias: isSharded,
    forward: (list) => listActivation(list, activation, rows(list.layout.blocksHere)),
    backward: (list) => listActivation(list, activation, rows(list.layout.blocksHere)),
    memory({ layout, columns }) {
      const all = rows(layout.blocksHere).reduce((sum, count) => sum + count, 0);
      // Its output, and the gradient of its input.
      const bytes = paddedBytes(all * columns, written) + paddedBytes(all * columns, gradient);
      return { activationBytes: bytes, bufferBytes: 0 };
    },
    operator: { type: 'activation', activation, written, gradient },
  };
}
