import { px } from './chart.js';
import { type Markup, markup } from './markup.js';
import { colourIndex } from './palette.js';

/** How a series looks: its colour, shape and dash, and whether its marks are hollow. */
export interface Look {
  readonly look: number;
  readonly modelled: boolean;
}

const DASHES = ['', '7 4', '2 3', '10 3 2 3', '5 2', '1 4', '12 4'];

/** Of a series' curve. */
export function dashOf({ look, modelled }: Look): string {
  return modelled ? '3 3' : (DASHES[look % DASHES.length] ?? '');
}

const SIZE = 4.5;

/** A mark's outline; each look has its own. */
export function shape({ look, modelled }: Look, x: number, y: number): Markup {
  const colour = colourIndex(look);
  const outlines: readonly (readonly [number, number][])[] = [
    [],
    [
      [-1, -1],
      [1, -1],
      [1, 1],
      [-1, 1],
    ],
    [
      [0, -1.3],
      [1.2, 0.9],
      [-1.2, 0.9],
    ],
    [
      [0, -1.4],
      [1.4, 0],
      [0, 1.4],
      [-1.4, 0],
    ],
    [
      [0, 1.3],
      [1.2, -0.9],
      [-1.2, -0.9],
    ],
    [
      [-1.3, -0.6],
      [1.3, -0.6],
      [1.3, 0.6],
      [-1.3, 0.6],
    ],
    [
      [-0.6, -1.3],
      [0.6, -1.3],
      [0.6, 1.3],
      [-0.6, 1.3],
    ],
  ];
  const classes = `mark f${colour} c${colour}${modelled ? ' hollow' : ''}`;
  const outline = outlines[look % outlines.length] ?? [];
  if (outline.length === 0) {
    return markup`<circle class="${classes}" cx="${px(x)}" cy="${px(y)}" r="${SIZE}"/>`;
  }
  const points = outline.map(([dx, dy]) => `${px(x + SIZE * dx)},${px(y + SIZE * dy)}`).join(' ');
  return markup`<polygon class="${classes}" points="${points}"/>`;
}
