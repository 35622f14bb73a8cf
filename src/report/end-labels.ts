import { px } from './chart.js';
import type { Frame } from './frame.js';
import { type Markup, markup } from './markup.js';
import { colourIndex } from './palette.js';

/** A curve's name and its last point, in pixels. */
export interface EndLabel {
  readonly label: string;
  /** The label as far as it has room. */
  readonly name: string;
  readonly look: number;
  readonly x: number;
  readonly y: number;
}

const SPACE = 15;

/** Names beside the ends of their curves, moved apart where they would touch. */
export function endLabels(ends: readonly EndLabel[], frame: Frame): Markup[] {
  const labels = ends.map((end) => ({ ...end, at: end.y })).toSorted((a, b) => a.at - b.at);
  labels.forEach((label, i) => {
    label.at = Math.max(label.at, (labels[i - 1]?.at ?? Number.NEGATIVE_INFINITY) + SPACE);
  });
  let limit = frame.bottom;
  for (const label of labels.toReversed()) {
    label.at = Math.min(label.at, limit);
    limit = label.at - SPACE;
  }
  return labels.map(({ label, name, look, at, x, y }) => {
    const from = frame.right + 6;
    const leader = `${px(x + 6)},${px(y)} ${px(from)},${px(at)} ${px(from + 6)},${px(at)}`;
    return markup`<g><title>${label}</title><polyline class="leader c${colourIndex(look)}" points="${leader}"/><text x="${px(from + 10)}" y="${px(at + 4)}">${name}</text></g>`;
  });
}
