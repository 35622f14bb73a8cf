/**
 * Collectives whose overlap is reported: the network's, those that sum the gradients of replicas, and
 * the run's own agreement on loss and stopping.
 */
export const COLLECTIVES = [
  'allGather',
  'allToAll',
  'reduceScatter',
  'allReduce',
  'gradients',
  'agreement',
] as const;
/** A collective of a training step, by name. */
export type CollectiveName = (typeof COLLECTIVES)[number];

/** Seconds that collectives were under way beside the rank's own work, and blocked it. */
export interface CollectiveTimes {
  readonly postedS: number;
  readonly exposedS: number;
}

/** The same, where it may not be known what was beside the rank's work. */
export interface KnownTimes {
  readonly postedS: number | null;
  readonly exposedS: number;
}

/** The share of the time under way that was not exposed; null without any collective, and where it is not known. */
export function hiddenShare({ postedS, exposedS }: KnownTimes): number | null {
  if (postedS === null) return null;
  const total = postedS + exposedS;
  return total === 0 ? null : postedS / total;
}

/** Share of a step that ranks may be blocked before overlap counts as not effective. */
const EXPOSED_LIMIT = 0.25;

/** How well communication was hidden, in words. */
export function describeOverlap(
  exposedShare: number,
  hidden: number | null,
  ranks: number,
  cores: number,
): string {
  const percent = (share: number) => `${Math.round(100 * Math.min(1, share))}%`;
  const waits = `ranks wait ${percent(exposedShare)} of the time`;
  if (hidden === null) return waits;
  if (exposedShare <= EXPOSED_LIMIT) return `${percent(hidden)} hidden, ${waits}`;
  return (
    `not hidden: ${waits}; ` +
    (ranks > cores
      ? `${ranks} ranks share ${cores} cores, so part of it is waiting for a core`
      : 'a larger batch or width, fewer ghosts or fewer ranks would hide more of it')
  );
}
