import type { PowerModel } from '../machine/machine.js';
import type { StepTime } from './step-time.js';

/** Modelled joules of one step of all ranks; null: a constant has no source. */
export interface StepEnergy {
  readonly energyJ: number | null;
  /** The total if a waiting rank draws as much as a busy one. */
  readonly atMostJ: number | null;
  /** While ranks compute, wait for others, and move bytes; and the rest of the machine. */
  readonly busyJ: number | null;
  readonly waitingJ: number | null;
  readonly movingJ: number | null;
  readonly sharedJ: number | null;
  /** What the total leaves out or why there is none, a sentence each. */
  readonly notes: readonly string[];
}

/**
 * E = Σ over ranks (busy watts × compute time + waiting watts × exposed time + shared watts ×
 * step time + joules per byte × bytes sent). Without watts of a busy or a waiting rank there is no
 * total; without the other two constants it leaves them out, and says so.
 */
export function stepEnergy(
  power: PowerModel,
  time: StepTime,
  ranks: number,
  sentBytes: number,
): StepEnergy {
  const times = (constant: { value: number } | null, amount: number) =>
    constant === null ? null : ranks * constant.value * amount;
  const busyJ = times(power.busyW, time.computeS);
  const waitingJ = time.exposedS === 0 ? 0 : times(power.waitingW, time.exposedS);
  const sharedJ = times(power.sharedW, time.stepS);
  const movingJ = sentBytes === 0 ? 0 : times(power.energyPerByteJ, sentBytes);
  const notes: string[] = [];
  if (busyJ === null)
    notes.push('the machine file has no watts for a busy rank, so energy is unknown');
  if (waitingJ === null && busyJ !== null) {
    notes.push(
      'the watts of a waiting rank are unknown: energy is an upper bound (≤), as if it were busy',
    );
  }
  if (sharedJ === null)
    notes.push(
      'memory, board, fans and network switches are left out: there is no source for them',
    );
  if (movingJ === null)
    notes.push('energy of moving bytes between ranks is left out: there is no source for it');
  const others = (sharedJ ?? 0) + (movingJ ?? 0);
  const energyJ = busyJ === null || waitingJ === null ? null : busyJ + waitingJ + others;
  const mostWaitingJ = waitingJ ?? times(power.busyW, time.exposedS);
  const atMostJ = busyJ === null || mostWaitingJ === null ? null : busyJ + mostWaitingJ + others;
  return { energyJ, atMostJ, busyJ, waitingJ, movingJ, sharedJ, notes };
}
