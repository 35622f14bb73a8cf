import { exchangesGhosts } from '../layers/strategies.js';
import type { NetworkSpecification } from '../model/specification.js';
import type { ModelSource } from './model-source.js';

/** K; 0: the network has no ghosts. */
export function mostGhosts({ strategy, ghosts }: NetworkSpecification): number {
  return exchangesGhosts(strategy) ? ghosts : 0;
}

/** Why a network of `most` ghosts a block cannot answer with as many as were asked for; null: it
 * can. */
export function ghostsRefusal(asked: unknown, most: number): string | null {
  if (most === 0) return 'the model has no ghosts';
  const fits = Number.isInteger(asked) && (asked as number) >= 1 && (asked as number) <= most;
  return fits ? null : `the model takes an integer from 1 to ${most}`;
}

/** What is to be said before a model answers with so many ghosts; null: nothing. The ghosts of a
 * model without a run are in order: it was compressed, or is not known to be otherwise. */
export function ghostsWarning(
  { settings, specification, path }: ModelSource,
  ghosts: number,
): string | null {
  const most = mostGhosts(specification);
  if (settings === null || settings.nestedGhosts || ghosts >= most) return null;
  return (
    `${path} was trained without nested ghosts: answers with ${ghosts} of its ${most} may be of ` +
    'no use'
  );
}
