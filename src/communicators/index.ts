export { Communicator, treeSplit } from './communicator.js';
export type { MovedPayload, Payload, PendingCollective, Transport } from './communicator.js';
export { SoloTransport } from './solo/solo-transport.js';
export { emptyCommunicationRecord, RecordingTransport } from './recording/recording-transport.js';
export type {
  CollectiveKind,
  CollectiveRecord,
  CommunicationRecord,
} from './recording/recording-transport.js';
export { createThreadsGroup, MAXIMUM_RANKS } from './threads/group.js';
export type { ThreadsGroup, ThreadsGroupOptions } from './threads/group.js';
export { GroupControl } from './threads/control.js';
export type { GroupEnd } from './threads/control.js';
export { joinThreadsGroup } from './threads/threads-transport.js';
export { launchRanks } from './threads/launch.js';
export type { Launch, LaunchOptions } from './threads/launch.js';
export { runRank } from './threads/worker.js';
export type { RankContext } from './rank-context.js';
export { findLauncher } from './mpi/launcher.js';
export type { Launcher } from './mpi/launcher.js';
export { MpiLink } from './mpi/link.js';
export { MpiTransport } from './mpi/mpi-transport.js';
export { MPI_REMEDY, probeMpi, probeThreadLevel } from '../native/mpi.js';
