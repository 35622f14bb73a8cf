import { readdirSync, readFileSync } from 'node:fs';

/** A training process of a job that `phantom launch` has started. */
export interface TrainingProcess {
  readonly pid: number;
  /** 0 without a launcher. */
  readonly rank: number;
}

/** The training processes of a run folder, whose path is on their command lines; Linux only. */
export function trainingProcesses(runFolder: string): TrainingProcess[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0)
    .flatMap((pid) => {
      try {
        const [program, ...others] = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
        const started = others.includes('--watch-stdin') && others.includes(runFolder);
        if (program !== process.execPath || !started) return [];
        const text = readFileSync(`/proc/${pid}/environ`, 'latin1');
        const rank = Number(/(?:OMPI_COMM_WORLD_RANK|PMI_RANK)=(\d+)/.exec(text)?.[1] ?? 0);
        return [{ pid, rank }];
      } catch {
        return []; // It has ended meanwhile.
      }
    });
}
