/** Losses that a network is trained with; `training/objective.ts` makes their operators. */
export const LOSSES = ['mse', 'cross-entropy'] as const;
export type LossName = (typeof LOSSES)[number];
