/**
 * A training step and its events, for loops of your own.
 *
 * @module phantom-parallel/training
 */
export { countedParts, type RankParts } from '../app/ranks/rank-parts.js';
export { HostPhaseClock, PHASE, type PhaseClock, type PhaseName } from '../base/phases.js';
export { resolveSettings } from '../settings/resolve.js';
export type {
  CheckpointEvent,
  EndEvent,
  StartEvent,
  StepEvent,
  TrainingEvent,
  ValidationEvent,
  WarningEvent,
} from '../training/events.js';
export type { ClassMetrics } from '../metrics/classification.js';
export type { OutputTransform } from '../models/outputs.js';
export type { MetricName, MetricsTask, MetricValues } from '../metrics/metric-names.js';
export { Evaluator, type Judgement } from '../training/evaluator.js';
export {
  type EvaluationMetrics,
  metricsShape,
  type MetricsShape,
  type NamedLabel,
  type NamedRegression,
} from '../training/metrics-shape.js';
export { LossPass, type LossPassParts } from '../training/loss-pass.js';
export { createObjective, type Objective, type ObjectiveOptions } from '../training/objective.js';
export type { CollectiveName, CollectiveTimes } from '../training/overlap.js';
export {
  type Replicas,
  Stepper,
  type StepperOptions,
  type StepResult,
} from '../training/stepper.js';
export type { GhostsPoint } from '../app/evaluate/evaluate-run.js';
export type { GivenSettings } from '../settings/given.js';
export type { SettingsSource } from '../settings/resolve.js';
export type { WorkMeters } from '../training/work-meters.js';
