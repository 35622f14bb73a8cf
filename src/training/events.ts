import type { BestValidation } from '../checkpoints/training-progress.js';
import type { Obtained } from '../energy/meter.js';
import type { RunEnergy } from '../energy/run-energy.js';
import type { MetricValues } from '../metrics/metric-names.js';
import type { EvaluationMetrics } from './metrics-shape.js';
import type { EndKind } from '../model/split-ends.js';
import type { CollectiveName, KnownTimes } from './overlap.js';
import type { RankTimeline } from './step-timeline.js';

/**
 * What a training run tells as it goes: a line of `metrics.jsonl`, a line of `--json`, or an
 * update of the progress display. Bytes and FLOPs are those of one rank; unknown values are null.
 */
export type TrainingEvent =
  | StartEvent
  | StepEvent
  | ValidationEvent
  | CheckpointEvent
  | WarningEvent
  | EndEvent;

/** A run starts: its network, ranks, engine and what a step comes to. */
export interface StartEvent {
  readonly type: 'start';
  readonly time: string;
  readonly runFolder: string;
  /** Of the process that writes this. */
  readonly host: string;
  readonly pid: number;
  readonly strategy: string;
  /** What its ends are; `none`: features and answers are as wide as the layers. */
  readonly input: EndKind;
  readonly head: EndKind;
  readonly engine: string;
  readonly engineDescription: string;
  readonly communicator: string;
  /** Of one replica. */
  readonly ranks: number;
  /** Of an MPI job, by rank; null: ranks are threads. */
  readonly processes: readonly { readonly host: string; readonly pid: number }[] | null;
  readonly replicas: number;
  /** Of the whole network. */
  readonly parameters: number;
  /** What the first weights are, of a run that starts from others; null: random. */
  readonly from: string | null;
  /** What a table is used for, in a sentence; null: the data are none. */
  readonly table: string | null;
  /** What was decided about its columns. */
  readonly notes: readonly string[];
  readonly trainingRows: number | null;
  readonly validationRows: number;
  readonly steps: number;
  /** Steps already done when the run was resumed; 0 for a new run. */
  readonly firstStep: number;
  /** Matrix-product FLOPs and payload bytes of one rank in one step (forward and backward); with
   * nested ghosts as if every micro-batch used all of them, so at most. */
  readonly flopsPerStep: number;
  readonly sentBytesPerStep: number;
  readonly receivedBytesPerStep: number;
  /** Measured rate of rank 0's engine at a square product. */
  readonly peakFlopsPerS: number;
  /** Tensor memory that rank 0 will need, predicted. */
  readonly memoryBytes: number;
  /** What meters the energy, and what its joules will be. */
  readonly meter: string;
  readonly meterDescription: string;
  readonly energyObtained: Obtained;
}

/** A logged step. */
export interface StepEvent {
  readonly type: 'step';
  readonly step: number;
  readonly epoch: number | null;
  readonly loss: number;
  readonly accuracy: number | null;
  readonly gradientNorm: number;
  readonly learningRate: number;
  /** Median over the steps since the last such event. */
  readonly stepTimeS: number;
  readonly samplesPerS: number;
  /** Matrix-product rate of rank 0, and its share of the measured peak (MFU). */
  readonly flopsPerS: number;
  readonly modelFlopsUtilization: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Time that rank 0 was blocked in collectives, a step; on a device, that it had nothing to do in them. */
  readonly exposedS: number;
  /** The same of every rank of all replicas: the one that waits least is the slowest. */
  readonly rankWaitingS: readonly number[];
  /** Share of the network's communication that was under way beside rank 0's own work; null: none, or
   * not known, as on an asynchronous engine. */
  readonly hiddenShare: number | null;
  /** The same by collective, seconds a step. */
  readonly collectives: Readonly<Record<CollectiveName, KnownTimes>>;
  /** Time that rank 0 waited for a batch, a step. */
  readonly dataWaitS: number;
  /** Of the whole run so far, on all machines; null: not known. */
  readonly energyJ: number | null;
  readonly elapsedS: number;
  readonly remainingS: number;
  /** Of this step alone, and of some logged steps only; not on an asynchronous engine. */
  readonly timeline?: readonly RankTimeline[];
}

/** A validation pass is done. */
export interface ValidationEvent {
  readonly type: 'validation';
  readonly step: number;
  readonly rows: number;
  readonly loss: number;
  readonly accuracy: number | null;
  /** Those of the task, in the target's own units. */
  readonly metrics: MetricValues;
  /** Whether it is the best so far. */
  readonly best: boolean;
  /** What the learning rate is multiplied by from now on (schedule plateau). */
  readonly rateFactor: number;
}

/** A checkpoint is complete on disk. */
export interface CheckpointEvent {
  readonly type: 'checkpoint';
  readonly step: number;
  readonly folder: string;
}

/** Something that does not end the run, and should be known. */
export interface WarningEvent {
  readonly type: 'warning';
  readonly message: string;
}

/** Why a run may end. */
export const END_REASONS = [
  'finished',
  'target-loss',
  'early-stopping',
  'interrupted',
  'diverged',
] as const;
export type EndReason = (typeof END_REASONS)[number];

/** How a run ended. */
export interface EndEvent {
  readonly type: 'end';
  readonly reason: EndReason;
  readonly step: number;
  /** Of this part of the run, those after its first few, which allocate and compile. */
  readonly steadySteps: number;
  readonly loss: number | null;
  readonly accuracy: number | null;
  readonly validationLoss: number | null;
  readonly validationAccuracy: number | null;
  /** Of the last validation, all that is known; null: there was none. */
  readonly validationMetrics: EvaluationMetrics | null;
  /** Of steady steps. */
  readonly medianStepTimeS: number | null;
  readonly samplesPerS: number | null;
  /** Of all replicas. */
  readonly ranks: number;
  /** Share of the steady steps that rank 0 was blocked in collectives, and of communication that
   * was hidden, null where that is not known. */
  readonly exposedShare: number | null;
  readonly hiddenShare: number | null;
  readonly elapsedS: number;
  readonly energy: RunEnergy;
  readonly runFolder: string;
  readonly checkpoint: string;
  /** The best validation, whose checkpoint is kept; null: nothing was validated. */
  readonly best: BestValidation | null;
  /** Continues an interrupted run; null when there is nothing left to do. */
  readonly resumeCommand: string | null;
}
