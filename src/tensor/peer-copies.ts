import type { DeviceMessages } from './device-messages.js';

/** How engines of one process, each in its thread, copy from one another's memory without the host's. A copy is
 * in order with the copies that one engine starts, beside its calls; marks put copies and calls of all engines
 * in order. Marks and addresses are numbers that any thread of the process may pass on. */
export interface PeerCopies {
  /** Which device the memory is of, for `reach` and `copyFrom` of others. */
  readonly place: PeerPlace;
  /** How it reaches devices of other processes; null: it was not made to. */
  readonly messages: DeviceMessages | null;
  /** Has copies from there go directly, where the devices can; they work either way.
   * @returns whether they do */
  reach(place: PeerPlace): boolean;

  /** A mark, which is set again and again by an engine of that place, and counts as come until then. It is there
   * until this engine is closed. */
  createMark(place: PeerPlace): number;
  /** Sets a mark that comes when all calls so far have run. */
  markCalls(mark: number): void;
  /** Sets a mark that comes when all copies so far have run. */
  markCopies(mark: number): void;
  /** Has the calls that follow wait for a mark of any engine, as it is set now; the host does not wait. */
  holdCalls(mark: number): void;
  /** Has the copies that follow wait, likewise. */
  holdCopies(mark: number): void;

  /** Starts a copy into the own memory. Addresses are `byteOffset`s. */
  copyFrom(place: PeerPlace, from: number, to: number, bytes: number): void;
  /** Own memory for parts of sums, as long as the engine; not part of `allocatedBytes`, but taken from
   * `capacityBytes`.
   * @throws UnsupportedError where there is not as much */
  allocateRoom(bytes: number): number;
  /** out = a + b, of float32 numbers at these addresses, as a call; any two may be the same. */
  add(a: number, b: number, out: number, count: number): void;

  /** Says that others may copy from the memory, until `returned` has been called as often. An engine that is
   * closed before leaves its memory to the end of the process. */
  lend(): void;
  /** Says that nobody copies any more for one of the calls of `lend`. */
  returned(): void;
}

/** A device of the process. */
export interface PeerPlace {
  readonly device: number;
  readonly context: number;
}
