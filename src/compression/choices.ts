/** How many ghosts the blocks of a layer get: a number; in each layer as many as keep a share of its
 * squared off-diagonal weights; or as many as fit a model of so many bytes, where they keep most. */
export type GhostChoice =
  | { readonly by: 'ghosts'; readonly ghosts: number }
  | { readonly by: 'energy'; readonly share: number }
  | { readonly by: 'budget'; readonly bytes: number };

/** The error that a decomposition makes least: that of the weights, or of the layers' outputs. */
export const MINIMIZED = ['weights', 'outputs'] as const;
/** One of `MINIMIZED`. */
export type Minimized = (typeof MINIMIZED)[number];
