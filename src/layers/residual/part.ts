import { range } from '../block-layout.js';
import { listActivation } from '../bias-activation/program.js';
import type { LayerSizes, Spread } from '../outline.js';
import { paddedBytes } from '../memory-size.js';
import type { LayerPart } from '../part.js';

/** The end of a residual block whose last layer is this one. */
export function residualPart(
  { name, outputs, blocks }: Pick<LayerSizes, 'name' | 'outputs' | 'blocks'>,
  output: Spread,
): LayerPart {
  const isSharded = output === 'sharded';
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
    backward: (list) => listActivation(list, 'identity', biases(list.layout.blocksHere)),
    memory: ({ layout, columns }) => ({
      activationBytes: paddedBytes(rows(layout.blocksHere) * columns),
      bufferBytes: 0,
    }),
    operator: { type: 'residual' },
  };
}
