import * as Plot from '@observablehq/plot';

/** Values under the pointer. They are drawn when it is there, after the other groups have lost their names
 * (`draw.ts`), so this one has a class in place of a name from the start. */
export function tip(data: Plot.Data, options: Plot.TipOptions): Plot.Markish {
  return Object.assign(Plot.tip(data, { ...options, className: 'tip' }), { ariaLabel: undefined });
}
