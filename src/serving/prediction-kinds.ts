/**
 * What is written for each row: `answers` in the table's own words (the class and the probability of
 * each, the numbers in their units); or the plain outputs, their softmax, or the index of the
 * largest.
 */
export const PREDICTION_KINDS = ['answers', 'outputs', 'probabilities', 'labels'] as const;
/** What is written of an answer: the outputs, their softmax, or the index of the largest. */
export type PredictionKind = (typeof PREDICTION_KINDS)[number];
