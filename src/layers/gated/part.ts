import type { Activation } from '../../engines/activations.js';
import { listActivation } from '../bias-activation/program.js';
import type { LayerSizes } from '../outline.js';
import { paddedBytes } from '../padded-bytes.js';
import type { OperationList } from '../operation-list.js';
import { type LayerPart, PLAIN_PART } from '../part.js';

/** The gate of a layer with a sharded output, which has both halves: n = outputs / (2P) rows of each
 * block leave it. */
export function gatedPart(
  { name, outputs, blocks, compute }: Pick<LayerSizes, 'name' | 'outputs' | 'blocks' | 'compute'>,
  activation: Activation,
): LayerPart {
  const n = outputs / 2 / blocks;
  const halves = (list: OperationList) => {
    listActivation(list, activation, [n]);
    listActivation(list, 'identity', [n]);
  };
  return {
    ...PLAIN_PART,
    name: `${name}.gate`,
    takesBias: true,
    forward: (list) =>
      list.eachBlock(() => {
        halves(list);
        list.elements('multiply', n);
      }),
    backward: (list) =>
      list.eachBlock(() => {
        list.elements('multiply', n);
        list.elements('multiply', n);
        halves(list);
      }),
    memory({ layout, columns }) {
      const half = layout.blocksHere * n * columns;
      // s and y, and the gradient of z; rounded, what it is made from in one block.
      const product = compute === 'float32' ? 0 : paddedBytes(n * columns);
      const activationBytes = 2 * paddedBytes(half) + paddedBytes(2 * half, compute) + product;
      return { activationBytes, bufferBytes: 0 };
    },
    operator: { type: 'gate', activation, gradient: compute },
  };
}
