/**
 * What answers of models come with, and the log of a server.
 *
 * @module phantom-parallel/serving
 */
export type { PredictionKind } from '../serving/prediction-kinds.js';
export type { BatchReading } from '../serving/mailbox.js';
export type { Log } from '../serving/server/log.js';
