import { range } from '../block-layout.js';
import { listActivation } from '../bias-activation/program.js';
import type { LayerSizes, Spread } from '../outline.js';
import { paddedBytes } from '../padded-bytes.js';
import type { LayerPart } from '../part.js';

/** The end of a residual block whose last layer is this one. */
export function residualPart(
  { name, outputs, blocks, compute }: Pick<LayerSizes, 'name' | 'outputs' | 'blocks' | 'compute'>,
  output: Spread,
): LayerPart {
  const isSharded = output === 'sharded';
  // A layer with a replicated output rounds its gradient itself.
  const gradient = isSharded ? compute : 'float32';
  const biases = (blocksHere: number) =>
    isSharded ? range(blocksHere).map(() => outputs / blocks) : [];
  const rows = (blocksHere: number) => (isSharded ? blocksHere * (outputs / blocks) : outputs);
  return {
    name: `${name}.residual`,
    joins: true,
    takesBias: isSharded,
    forward(list) {
      listActivation(list, 'identity', biases(list.layout.blocksHere));
      list.elements('add', rows(list.layout.blocksHere));
    },
    backward(list) {
      listActivation(list, 'identity', biases(list.layout.blocksHere));
      if (gradient !== 'float32') {
        list.elements(`encode ${gradient}`, rows(list.layout.blocksHere));
      }
    },
    memory({ layout, columns }) {
      const elements = rows(layout.blocksHere) * columns;
      const rounded = gradient === 'float32' ? 0 : paddedBytes(elements, gradient);
      return { activationBytes: paddedBytes(elements) + rounded, bufferBytes: 0 };
    },
    operator: { type: 'residual', gradient },
  };
}
