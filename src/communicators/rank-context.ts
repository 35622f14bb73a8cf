import type { Transport } from './communicator.js';

/** Where the process of a rank is. */
export interface ProcessPlace {
  readonly host: string;
  readonly pid: number;
}

/** What the code of a rank is given. */
export interface RankContext<Data> {
  readonly rank: number;
  /** Its place among the ranks of this process. */
  readonly index: number;
  /** Its place among the ranks on its machine. */
  readonly localRank: number;
  readonly size: number;
  /** `data` of the launch. */
  readonly data: Data;
  readonly transport: Transport;
  /** Sends to `onMessage` of the launch; messages arrive in order and before the result. */
  readonly post: (message: unknown) => void;
  /** Whether the coordinator has asked the ranks to stop. Ranks can see it at different times:
   * let one of them read it and tell the others. */
  readonly stopRequested: () => boolean;
  /** Does work during which the thread must not be terminated: loading native libraries. */
  readonly uninterrupted: <T>(work: () => T | Promise<T>) => Promise<T>;
  /** Whether the process ends when the rank fails, and gives back what the rank has taken. */
  readonly endsProcess: boolean;
}
