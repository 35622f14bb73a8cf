import { createHash } from 'node:crypto';
import type { RunConfig } from '../checkpoints/run-folder.js';
import { USUAL_LOSS } from '../layers/loss-names.js';

/**
 * Data, targets and loss of a run, the same text for runs whose losses have an axis in common. Rows,
 * options of the loss and weights that are not the usual ones are digits of a hash at its end.
 */
export function runGroup({ settings, data, loss }: RunConfig): string {
  const { target, validation, classWeights, weightColumn } = settings;
  const { huberDelta, quantiles, labelSmoothing } = { ...USUAL_LOSS, ...settings };
  // Where the seed chooses the rows, runs of several seeds still belong together.
  const isBySeed = typeof validation === 'number' || data.name.startsWith('synthetic:');
  const parts = [
    isBySeed ? null : (data.fingerprint ?? null),
    loss === 'huber' ? huberDelta : null,
    loss === 'quantile' ? quantiles : null,
    labelSmoothing === 0 ? null : labelSmoothing,
    classWeights ?? null,
    weightColumn ?? null,
  ];
  const digits = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 6);
  const targets = Array.isArray(target) ? `: ${target.join(', ')}` : '';
  const rest = parts.every((part) => part === null) ? '' : ` (${digits})`;
  return `${data.name}${targets}, ${loss}${rest}`;
}
