import * as Plot from '@observablehq/plot';

/** Pixels between two places of something wide that show the same text. */
const SPACING = 24;

/** Places along what reaches from x1 to x2, near enough to each other that the pointer always finds one.
 * @param perPixel of x */
export function along<T extends { readonly x1: number; readonly x2: number }>(
  pieces: readonly T[],
  perPixel: number,
): (T & { readonly x: number })[] {
  return pieces.flatMap((piece) => {
    const count = Math.max(1, Math.ceil((piece.x2 - piece.x1) / perPixel / SPACING));
    const each = (piece.x2 - piece.x1) / count;
    return Array.from({ length: count }, (_, i) => ({ ...piece, x: piece.x1 + (i + 0.5) * each }));
  });
}

/** Values under the pointer. They are drawn when it is there, after the other groups have lost their names
 * (`draw.ts`), so this one has a class in place of a name from the start. */
export function tip(data: Plot.Data, options: Plot.TipOptions): Plot.Markish {
  return Object.assign(Plot.tip(data, { ...options, className: 'tip' }), { ariaLabel: undefined });
}
