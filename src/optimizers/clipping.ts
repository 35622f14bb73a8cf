/** Factor that brings a gradient of this norm to at most `limit`: min(1, limit / (norm + 1e-6)),
 * with the small constant that PyTorch's `clip_grad_norm_` has. */
export function clippingScale(norm: number, limit: number): number {
  return Math.min(1, limit / (norm + 1e-6));
}
