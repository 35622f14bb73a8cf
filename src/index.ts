/**
 * Train, evaluate, load, predict, serve, compress, export and plan; settings, reports and errors.
 *
 * @module phantom-parallel
 */
export { compress, type CompressOptions } from './app/convert/compress-model.js';
export { exportModel, type ExportOptions } from './app/convert/export-file.js';
export {
  evaluate,
  type EvaluateOptions,
  type EvaluationReport,
} from './app/evaluate/evaluate-run.js';
export { loadModel, type LoadOptions } from './app/infer/load-model.js';
export { predict, type PredictFileOptions, type PredictionReport } from './app/infer/predict.js';
export { serve, type ServeOptions } from './app/infer/serve.js';
export { plan, type PlanSettings } from './app/plan/plan-step.js';
export { train, type TrainOptions, type TrainSettings } from './app/train/train.js';
export type { Plan } from './analysis/plan.js';
export {
  CheckpointError,
  CollectiveError,
  ConfigError,
  DataError,
  MeterError,
  NativeError,
  PhantomError,
  ShapeError,
  TrainingError,
  UnsupportedError,
} from './base/errors.js';
export type { CompressionReport } from './compression/compress.js';
export type { ArrayData } from './data/arrays.js';
export type { ExportReport } from './app/convert/export-file.js';
export type { LoadedModel, NamedAnswer, PredictOptions } from './serving/loaded-model.js';
export type { RunningServer } from './serving/server/server.js';
export type { TrainingSettings } from './settings/settings.js';
export type { EndEvent, TrainingEvent } from './training/events.js';
