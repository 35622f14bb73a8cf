import { paddedBytes } from '../padded-bytes.js';
import { type LayerPart, PLAIN_PART } from '../part.js';

/** All-gathers what the layer of this name gives: `rows` of all blocks. */
export function joinPart(layer: string, rows: number): LayerPart {
  const name = `${layer}.join`;
  return {
    ...PLAIN_PART,
    name,
    forward: (list) => list.wait(list.start('all-gather', list.bytes(rows))),
    backward: () => undefined,
    memory: ({ columns }) => ({ activationBytes: paddedBytes(rows * columns), bufferBytes: 0 }),
    operator: { type: 'join' },
  };
}

/** The rank's rows of a replicated activation of so many. */
export function splitPart(layer: string, rows: number): LayerPart {
  const name = `${layer}.split`;
  return {
    ...PLAIN_PART,
    name,
    forward: () => undefined,
    backward: (list) => list.wait(list.start('all-gather', list.bytes(rows))),
    memory: ({ columns }) => ({ activationBytes: paddedBytes(rows * columns), bufferBytes: 0 }),
    operator: { type: 'split' },
  };
}
