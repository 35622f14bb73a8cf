export { compressModel, type CompressOptions } from './app/convert/compress-model.js';
export { exportFile, type ExportOptions } from './app/convert/export-file.js';
export {
  type EvaluationReport,
  type EvaluationRequest,
  evaluateRun,
} from './app/evaluate/evaluate-run.js';
export { loadModel, type LoadOptions } from './app/infer/load-model.js';
export { predictFile, type PredictionReport, type PredictionRequest } from './app/infer/predict.js';
export { serve, type ServeSettings } from './app/infer/serve.js';
export { train, type TrainOptions } from './app/train/train.js';
export * from './base/errors.js';
export type { CompressionReport } from './compression/compress.js';
export type { ExportReport } from './export/export-model.js';
export type { LoadedModel, PredictOptions } from './serving/loaded-model.js';
export type { RunningServer } from './serving/server/server.js';
export type { TrainingSettings } from './settings/settings.js';
export type { EndEvent, TrainingEvent } from './training/events.js';
