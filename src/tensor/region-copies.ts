import type { PeerCopies } from './peer-copies.js';
import type { ElementType, HostArrays, Region } from './tensor.js';

/** A copy that has been started. */
export interface PendingCopy {
  /** Blocks until it is there. */
  wait(): void;
}

/** How long a device has nothing to do while the host is elsewhere, by the device's own clock. */
export interface IdleClock {
  /** Begins when all that was called before has run. */
  begin(): void;
  /** Ends when the device comes here: with the next call, or when what was called before `begin` has run, if
   * that is later. */
  end(): void;
  /** Seconds so far, of what has come by now; waits for nothing. */
  totalS(): number;
}

/** How regions of an engine's memory are copied, among themselves and to and from the host: in order with
 * the engine's calls. */
export interface RegionCopies {
  /** null: nothing is left to do when a call returns. */
  readonly idle: IdleClock | null;
  /** null: other engines of the process cannot copy from its memory, or are not to. */
  readonly peers: PeerCopies | null;
  /** to = from, of as many elements */
  copy<T extends ElementType>(from: Region<T>, to: Region<T>): void;
  /** What a region holds, once every call before has run: on engines of host memory that memory itself,
   * which the next kernels change, else a copy. Not to be written to. With `into` it is copied
   * there, and `into` returned.
   * @throws ShapeError where `into` has another length */
  toHost<T extends ElementType>(from: Region<T>, into?: HostArrays[T]): HostArrays[T];
  /** As `toHost`, without waiting: the copy is of what the calls before leave there, while calls that follow
   * may go on. `into` is not to be touched until the copy's `wait`.
   * @throws ShapeError where `into` has another length */
  startToHost<T extends ElementType>(from: Region<T>, into: HostArrays[T]): PendingCopy;
  /** Writes all of a region; `from` may be changed when the call returns.
   * @throws ShapeError where `from` has another length */
  toDevice<T extends ElementType>(from: HostArrays[T], to: Region<T>): void;
}
