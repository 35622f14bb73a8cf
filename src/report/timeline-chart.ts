import type { RunData } from '../runs/run-data.js';
import type { TimelineFigure } from './figure.js';

/** In the colors that phases have in bars. */
const PARTS = [
  ['forward pass', 'forwardUs'],
  ['backward pass', 'backwardUs'],
  ['hidden communication', 'hiddenUs'],
  ['waiting in collectives (exposed)', 'waitingUs'],
  ['optimizer', 'optimizerUs'],
  ['data', 'dataUs'],
  ['other', 'otherUs'],
] as const;

/** One step of a run in time, rank by rank; none where none was recorded. */
export function timelineFigures({ name, timeline, figures }: RunData): TimelineFigure[] {
  if (timeline === null) return [];
  const { step, ranks } = timeline;
  const total = (figures.ranks ?? 0) * (figures.replicas ?? 1);
  const some = total > ranks.length ? `, the slowest ${ranks.length} of ${total} ranks` : '';
  return [
    {
      kind: 'timeline',
      title: `A step of ${name} in time, rank by rank${some}`,
      axis: `time since step ${step} began`,
      parts: PARTS.map(([part]) => part),
      beside: PARTS.findIndex(([, list]) => list === 'hiddenUs'),
      rows: ranks.map((rank) => ({
        label: `rank ${rank.rank}`,
        intervals: PARTS.map(([, list]) => rank[list].map((timeUs) => timeUs / 1e6)),
      })),
    },
  ];
}
