/**
 * Checkpoints, run folders and model folders on disk.
 *
 * @module phantom-parallel/checkpoints
 */
export type { CheckpointState } from '../checkpoints/checkpoint-folder.js';
export type { NestedLoad } from '../layers/phantom/first-ghosts.js';
export type { FoundCheckpoint } from '../checkpoints/checkpoint-list.js';
export { loadCheckpoint, loadWeights } from '../checkpoints/load-checkpoint.js';
export {
  newestCheckpoint,
  newestWholeCheckpoint,
  readRunConfig,
  type RunConfig,
} from '../checkpoints/run-folder.js';
export { type CheckpointContents, saveCheckpoint } from '../checkpoints/save-checkpoint.js';
export { type ModelDescription, writeModel } from '../models/model-folder.js';
export { type ModelSource, openModel } from '../models/model-source.js';
export type { FileHashes } from '../checkpoints/checkpoint-folder.js';
export type { LoadTarget } from '../checkpoints/load-checkpoint.js';
