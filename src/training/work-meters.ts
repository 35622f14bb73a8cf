import type { CollectiveName, CollectiveTimes } from './overlap.js';

/** Counts since the rank started, of the network's own work and traffic. */
export interface WorkMeters {
  /** Floating-point operations of matrix products. */
  flops(): number;
  /** Bytes that collectives sent to other ranks. */
  sentBytes(): number;
  /** Bytes that they received. */
  receivedBytes(): number;
  /** Seconds blocked in collectives; on an asynchronous engine, of those of the network the time that the device
   * had nothing to do, once that is known. */
  exposedS(): number;
  /** Whether collectives run beside the rank's own work once they are started. False on an asynchronous engine:
   * there they run in their waits, while the device may be at work, and what is hidden is not known. */
  readonly besideWork: boolean;
  /** Sums so far, in objects that change. */
  readonly collectives: Readonly<Record<CollectiveName, CollectiveTimes>>;
}
