import type { NetworkSpecification } from '../model/specification.js';
import type { DenseNetwork } from '../models/dense-network.js';

type Sizes = Pick<DenseNetwork, 'width' | 'depth' | 'activation' | 'ends' | 'residual' | 'layers'>;

/** The phantom network of a dense one's sizes. @param each K of all layers, or of each */
export function phantomSpecification(
  network: Sizes,
  blocks: number,
  each: number | readonly number[],
): NetworkSpecification {
  const { width, depth, activation, ends, residual } = network;
  const widths = hiddenWidths(network);
  const areDifferent = widths.some((one) => one !== width);
  const counts = Array.from({ length: depth }, (_, l) => {
    const asked = typeof each === 'number' ? each : (each[l] ?? 0);
    const [inputs = 0, outputs = 0] = [widths[l], widths[l + 1]];
    // More than a block's inputs, or the other blocks' outputs, would say nothing more.
    const most = Math.min(inputs / blocks, outputs - outputs / blocks);
    return areDifferent ? Math.min(asked, most) : asked;
  });
  const ghosts = Math.max(...counts);
  const differ = counts.some((count) => count !== ghosts);
  return {
    strategy: 'phantom',
    width,
    depth,
    blocks,
    ghosts,
    activation,
    ends,
    ...(differ && { layerGhosts: counts }),
    ...(areDifferent && { widths }),
    ...(residual && { residual }),
  };
}

/** Between the hidden layers, or blocks: one more than there are. */
export function hiddenWidths({ width, depth, residual, layers }: Sizes): readonly number[] {
  if (residual !== null) return Array.from({ length: depth + 1 }, () => width);
  const hidden = layers.filter(({ role }) => role === 'hidden');
  return [hidden[0]?.columns ?? width, ...hidden.map(({ rows }) => rows)];
}
