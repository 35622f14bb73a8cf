export * from './engines/index.js';
export * from './communicators/index.js';
export * from './data/index.js';
export * from './errors.js';
export * from './analysis/collectives.js';
export * from './analysis/cost.js';
export * from './analysis/crossovers.js';
export * from './analysis/energy.js';
export * from './analysis/interpolate.js';
export type * from './analysis/machine.js';
export type * from './analysis/operations.js';
export * from './analysis/plan.js';
export * from './analysis/rates.js';
export * from './analysis/search.js';
export * from './analysis/step-memory.js';
export * from './analysis/step-program.js';
export * from './analysis/step-time.js';
export { ForwardMemory, ForwardPass } from './autograd/forward-pass.js';
export * from './autograd/gradient-check.js';
export * from './autograd/operator.js';
export * from './autograd/tape.js';
export { compressModel, type CompressOptions } from './config/compress-model.js';
export { blasAvailable, createEngine } from './config/engines.js';
export { type RankParts, countedParts } from './config/rank-parts.js';
export { createMeter, type MeterRequest } from './config/meters.js';
export { runRankProgram } from './config/rank-program.js';
export { joinRanks, type Ranks, type RanksRequest, type RanksStart } from './config/ranks.js';
export { exportFile, type ExportOptions } from './config/export-file.js';
export { readMachine } from './config/machines.js';
export { loadModel, type LoadOptions } from './config/load-model.js';
export { predictFile, type PredictionReport, type PredictionRequest } from './config/predict.js';
export { resolveSettings } from './config/resolve.js';
export type { Resume } from './config/resume.js';
export { type RunHooks, trainRun } from './config/run.js';
export {
  type EvaluationReport,
  type EvaluationRequest,
  type GhostsPoint,
  evaluateRun,
} from './config/evaluate-run.js';
export { serve, type ServeSettings } from './config/serve.js';
export type { EngineChoice, LossName, TrainingSettings } from './config/settings.js';
export { train, type TrainOptions } from './config/train.js';
export type { EnergyCounter } from './energy/counter.js';
export * from './energy/meter.js';
export * from './energy/metered.js';
export * from './energy/phases.js';
export * from './energy/recording.js';
export * from './energy/run-energy.js';
export * from './errors.js';
export type { ExportFormat, ExportReport } from './inference/export-model.js';
export type { CompressionReport, GhostChoice } from './inference/compress.js';
export { type ModelDescription, writeModel } from './inference/model-folder.js';
export { type ModelSource, openModel } from './inference/model-source.js';
export type { LoadedModel, PredictOptions } from './inference/loaded-model.js';
export type { RunningServer } from './inference/server/server.js';
export * from './model/initialization.js';
export * from './model/network.js';
export * from './model/specification.js';
export { BiasActivation } from './operators/bias-activation.js';
export { type BlockLayout, blockLayout } from './operators/block-layout.js';
export { treeSum } from './operators/block-sum.js';
export { ColumnLinear } from './operators/column-linear.js';
export { GatherLinear } from './operators/gather-linear.js';
export { type LossOperator, SoftmaxCrossEntropy, SquaredError } from './operators/losses.js';
export { PhantomLinear } from './operators/phantom-linear.js';
export { RowLinear } from './operators/row-linear.js';
export * from './optimizers/clipping.js';
export * from './optimizers/optimizer.js';
export * from './optimizers/schedule.js';
export * from './report/charts.js';
export * from './tensor/random.js';
export * from './tensor/precision.js';
export * from './tensor/tensor.js';
export * from './training/events.js';
export * from './training/overlap.js';
export { loadCheckpoint, loadWeights } from './training/load-checkpoint.js';
export { saveCheckpoint } from './training/save-checkpoint.js';
export type { NestedLoad } from './training/first-ghosts.js';
export { NestedGhosts } from './training/nested-ghosts.js';
export {
  type FoundCheckpoint,
  newestCheckpoint,
  newestWholeCheckpoint,
  readRunConfig,
  type RunConfig,
} from './training/run-folder.js';
export { createObjective, type Objective } from './training/objective.js';
export { Stepper, type StepperOptions, type StepResult } from './training/loop.js';
