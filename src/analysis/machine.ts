/** A number and where it comes from: a calibration, a data sheet, a paper. */
export interface Sourced {
  readonly value: number;
  readonly source: string;
}

/** Constants that turn times and bytes of ranks into joules; null: no source, so no energy. */
export interface PowerModel {
  /** Watts of one rank's core or device while it computes. */
  readonly busyW: Sourced | null;
  /** Watts of one rank's core or device while it waits for others. */
  readonly waitingW: Sourced | null;
  /** Watts of the rest of the machine, shared out to each rank: memory, board, fans. */
  readonly sharedW: Sourced | null;
  /** Joules of moving a byte between ranks. */
  readonly energyPerByteJ: Sourced | null;
}
