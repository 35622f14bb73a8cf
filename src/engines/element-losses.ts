/**
 * Losses that are sums over elements, with e = z − y; `kernel` is their number in
 * `kernels/element-losses.ts`.
 *
 * | loss | of an element | parameter |
 * |---|---|---|
 * | mse | e² | – |
 * | mae | abs e | – |
 * | huber | e² / 2 up to abs e = δ, then δ (abs e − δ/2) | δ |
 * | quantile | (1 − τ) e above the target, −τ e below | τ |
 * | poisson | exp z − y z + y log y − y: z is the log of the rate | – |
 * | binary-cross-entropy | log(1 + exp z) − z y, y moved by s/2 towards one half | s |
 */
export const ELEMENT_LOSSES = {
  mse: { kernel: 0 },
  mae: { kernel: 1 },
  huber: { kernel: 2 },
  quantile: { kernel: 3 },
  poisson: { kernel: 4 },
  'binary-cross-entropy': { kernel: 5 },
} as const;

/** One of `ELEMENT_LOSSES`. */
export type ElementLossName = keyof typeof ELEMENT_LOSSES;

/** An element-wise loss and its parameter; 0 where it has none. */
export interface ElementLoss {
  readonly name: ElementLossName;
  readonly parameter: number;
}
