/** Kinds of collectives whose overlap is told; `agreement` is the run's own, on loss and stopping. */
export const COLLECTIVES = ['allGather', 'reduceScatter', 'allReduce', 'agreement'] as const;
export type CollectiveName = (typeof COLLECTIVES)[number];

/** Seconds that collectives were under way beside the rank's own work, and blocked it. */
export interface CollectiveTimes {
  readonly postedS: number;
  readonly exposedS: number;
}

/** The share of the time under way that was not exposed; null without any collective. */
export function hiddenShare({ postedS, exposedS }: CollectiveTimes): number | null {
  const total = postedS + exposedS;
  return total === 0 ? null : postedS / total;
}

/** Share of a step that a rank may be blocked before the run says that overlap is not effective. */
const EXPOSED_LIMIT = 0.25;

/** What to tell about a step whose communication is not hidden; null when it is. */
export function overlapWarning(
  exposedS: number,
  stepTimeS: number,
  ranks: number,
  cores: number,
): string | null {
  const share = exposedS / stepTimeS;
  if (!(share > EXPOSED_LIMIT)) return null;
  const percent = Math.round(100 * Math.min(1, share));
  return (
    `communication is not hidden: rank 0 waits for ${percent}% of a step; ` +
    (ranks > cores
      ? `${ranks} ranks share ${cores} cores, so waiting for a core is part of it`
      : 'a larger batch or width, fewer ghosts or fewer ranks would hide more of it')
  );
}
