import { ACTIVITIES } from '../base/step-trace.js';
import { type RankTimeline, SEGMENTS_OF_RANK, TIMELINE_RANKS } from '../training/step-timeline.js';
import { quantity } from './recorded-energy.js';

/** What ranks did in one step, the newest that was recorded. */
export interface RecordedTimeline {
  readonly step: number;
  readonly ranks: readonly RankTimeline[];
}

/** No more than is written: a start and an end of each segment. */
const MOST_NUMBERS = 2 * SEGMENTS_OF_RANK;
const LISTS = [...ACTIVITIES, 'hidden'] as const;

/** The timeline of a step event; null where there is none, or one that cannot be. */
export function readTimeline(step: number, value: unknown): RecordedTimeline | null {
  if (!Array.isArray(value) || value.length === 0 || value.length > TIMELINE_RANKS) return null;
  const ranks = value.map(readRank).filter((rank) => rank !== null);
  return ranks.length === value.length ? { step, ranks } : null;
}

function readRank(value: unknown): RankTimeline | null {
  if (typeof value !== 'object' || value === null) return null;
  const given = value as Readonly<Record<string, unknown>>;
  const rank = quantity(given['rank']);
  const lists = LISTS.map((name) => [`${name}Us`, readIntervals(given[`${name}Us`])] as const);
  if (rank === null || lists.some(([, list]) => list === null)) return null;
  return { rank, ...Object.fromEntries(lists) } as RankTimeline;
}

/** Start, end, start, end, …, in order. */
function readIntervals(value: unknown): number[] | null {
  if (!Array.isArray(value) || value.length % 2 !== 0 || value.length > MOST_NUMBERS) return null;
  const times = value.map(quantity).filter((time) => time !== null);
  const inOrder = times.every((time, i) => time >= (times[i - 1] ?? 0));
  return times.length === value.length && inOrder ? times : null;
}
