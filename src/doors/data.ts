/**
 * Data sets, batches made ahead of the ranks, and the safetensors format.
 *
 * @module phantom-parallel/data
 */
export { initConfig, type InitOptions, type InitReport } from '../app/init/init-config.js';
export {
  inspect,
  type ArraysInspection,
  type Inspection,
  type NetworkInspection,
  type WeightsInspection,
} from '../app/inspect/inspect.js';
export { type ArrayData, type FlatRows, openArrays, type Rows } from '../data/arrays.js';
export {
  releaseData,
  type AnswerShape,
  type DataParts,
  type Dataset,
  sharedFloat32,
  sharedInt32,
  sharedUint8,
  type TableAnswers,
  type TableDataset,
  type TeacherDataset,
} from '../data/dataset.js';
export type { Batch, BatchReader } from '../data/loader/batches.js';
export type { BatchOptions } from '../data/loader/batch-options.js';
export {
  inlineBatches,
  type Loader,
  type LoaderHandle,
  type LoaderOptions,
  openBatches,
  startLoader,
} from '../data/loader/loader.js';
export type { BatchSchedule } from '../data/loader/batch-schedule.js';
export type { ReadOptions } from '../data/readers/raw-table.js';
export {
  type SafetensorsDtype,
  type SafetensorsEntry,
  SafetensorsFile,
  type SafetensorsTensor,
  type SafetensorsWritten,
  writeSafetensors,
} from '../data/safetensors.js';
export { KNOWN_DATASETS, openDataset, type OpenOptions } from '../data/sources.js';
export {
  fitStandardization,
  type Standardization,
  type StandardizeMode,
} from '../data/standardize.js';
export type { TeacherSpec } from '../data/synthetic/teacher-spec.js';
export type { TrainingSchedule, EvaluationSchedule } from '../data/loader/batch-schedule.js';
export type { RecordedStandardization } from '../data/standardize.js';
export type { OpenedTable, RecordsDataset } from '../data/dataset.js';
export type { TableSchema } from '../data/tables/schema.js';
export type { TableRow } from '../data/tables/encode-rows.js';
export type { InspectedColumn, TableInspection } from '../data/tables/inspect-table.js';
