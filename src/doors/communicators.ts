/**
 * Ranks and their collectives: start ranks, or write a transport of your own.
 *
 * @module phantom-parallel/communicators
 */
export { joinRanks, type Ranks, type RanksRequest, type RanksStart } from '../app/ranks/ranks.js';
export { runRankProgram } from '../app/ranks/rank-program.js';
export {
  Communicator,
  type Moved,
  type MovedPayload,
  type Payload,
  type PendingCollective,
  type Summed,
  type Transport,
  treeSplit,
} from '../communicators/communicator.js';
export { hostOf } from '../communicators/operands.js';
export type { ProcessPlace, RankContext } from '../communicators/rank-context.js';
export {
  type CollectiveKind,
  type CollectiveRecord,
  type CommunicationRecord,
  RecordingTransport,
} from '../communicators/recording/recording-transport.js';
export { SoloTransport } from '../communicators/solo/solo-transport.js';
export { StagedTransport } from '../communicators/staged/staged-transport.js';
export {
  type Launch,
  type LaunchOptions,
  launchRanks,
} from '../communicators/threads/launch-ranks.js';
export { runRank } from '../communicators/threads/threads-worker.js';
export type { StartedRanks } from '../app/ranks/ranks.js';
export type { Launcher, MpiFamily } from '../communicators/launcher.js';
