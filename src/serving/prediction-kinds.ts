/** What can be asked of a network for each row. */
export const PREDICTION_KINDS = ['outputs', 'probabilities', 'labels'] as const;
export type PredictionKind = (typeof PREDICTION_KINDS)[number];
