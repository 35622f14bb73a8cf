export * from './engines/index.js';
export * from './communicators/index.js';
export * from './data/index.js';
export * from './base/errors.js';
export * from './analysis/collectives.js';
export * from './analysis/cost.js';
export * from './analysis/crossovers.js';
export * from './analysis/energy.js';
export * from './analysis/interpolate.js';
export type * from './machine/machine.js';
export type * from './layers/operations.js';
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
export { compressModel, type CompressOptions } from './app/convert/compress-model.js';
export { blasAvailable, createEngine } from './app/ranks/engines.js';
export { type RankParts, countedParts } from './app/ranks/rank-parts.js';
export { createMeter, type MeterRequest } from './app/ranks/meters.js';
export { runRankProgram } from './app/ranks/rank-program.js';
export { joinRanks, type Ranks, type RanksRequest, type RanksStart } from './app/ranks/ranks.js';
export { exportFile, type ExportOptions } from './app/convert/export-file.js';
export { readMachine } from './machine/machines.js';
export { loadModel, type LoadOptions } from './app/infer/load-model.js';
export { predictFile, type PredictionReport, type PredictionRequest } from './app/infer/predict.js';
export { resolveSettings } from './settings/resolve.js';
export type { Resume } from './app/train/resume.js';
export { type RunHooks, trainRun } from './app/train/run.js';
export {
  type EvaluationReport,
  type EvaluationRequest,
  type GhostsPoint,
  evaluateRun,
} from './app/evaluate/evaluate-run.js';
export { serve, type ServeSettings } from './app/infer/serve.js';
export type { EngineChoice, LossName, TrainingSettings } from './settings/settings.js';
export { train, type TrainOptions } from './app/train/train.js';
export type { EnergyCounter } from './energy/counter.js';
export * from './energy/meter.js';
export * from './energy/metered.js';
export * from './base/phases.js';
export * from './energy/recording.js';
export * from './energy/run-energy.js';
export * from './base/errors.js';
export type { ExportFormat, ExportReport } from './export/export-model.js';
export type { CompressionReport, GhostChoice } from './compression/compress.js';
export { type ModelDescription, writeModel } from './models/model-folder.js';
export { type ModelSource, openModel } from './models/model-source.js';
export type { LoadedModel, PredictOptions } from './serving/loaded-model.js';
export type { RunningServer } from './serving/server/server.js';
export * from './model/initialization.js';
export * from './model/network.js';
export * from './model/specification.js';
export { BiasActivation } from './layers/bias-activation.js';
export { type BlockLayout, blockLayout } from './layers/block-layout.js';
export { treeSum } from './layers/block-sum.js';
export { ColumnLinear } from './layers/column/operator.js';
export { GatherLinear } from './layers/gather/operator.js';
export { type LossOperator, SoftmaxCrossEntropy, SquaredError } from './layers/losses.js';
export { PhantomLinear } from './layers/phantom/operator.js';
export { RowLinear } from './layers/row/operator.js';
export * from './optimizers/clipping.js';
export * from './optimizers/optimizer.js';
export * from './optimizers/schedule.js';
export * from './report/charts.js';
export * from './tensor/random.js';
export * from './tensor/precision.js';
export * from './tensor/tensor.js';
export * from './training/events.js';
export * from './training/overlap.js';
export { loadCheckpoint, loadWeights } from './checkpoints/load-checkpoint.js';
export { saveCheckpoint } from './checkpoints/save-checkpoint.js';
export type { NestedLoad } from './layers/phantom/first-ghosts.js';
export { NestedGhosts } from './model/nested-ghosts.js';
export {
  type FoundCheckpoint,
  newestCheckpoint,
  newestWholeCheckpoint,
  readRunConfig,
  type RunConfig,
} from './checkpoints/run-folder.js';
export { createObjective, type Objective } from './training/objective.js';
export { Stepper, type StepperOptions, type StepResult } from './training/stepper.js';
