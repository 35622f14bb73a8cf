export { type RandomStream, randomStream } from '../tensor/random.js';
export type {
  AnswerShape,
  DataParts,
  Dataset,
  TableAnswers,
  TableDataset,
  TeacherDataset,
} from './dataset.js';
export { sharedFloat32, sharedInt32, sharedUint8 } from './dataset.js';
export type { Batch, BatchReader } from './loader/batches.js';
export type { BatchOptions } from './loader/fill.js';
export {
  inlineBatches,
  type Loader,
  type LoaderHandle,
  type LoaderOptions,
  openBatches,
  startLoader,
} from './loader/loader.js';
export { type BatchSchedule, ScheduleCursor } from './loader/schedule.js';
export type { ReadOptions } from './readers/table.js';
export {
  SafetensorsFile,
  type SafetensorsDtype,
  type SafetensorsEntry,
  type SafetensorsTensor,
  type SafetensorsWritten,
  writeSafetensors,
} from './safetensors.js';
export { createSampler, type Sampler } from './sampler.js';
export { KNOWN_DATASETS, openDataset, type OpenOptions } from './sources.js';
export {
  applyStandardization,
  fitStandardization,
  type Standardization,
  type StandardizeMode,
} from './standardize.js';
export type { TeacherSpec } from './synthetic/teacher-spec.js';
export { formatTeacherName, parseTeacherName } from './synthetic/teacher-spec.js';
export { teacherParts } from './synthetic/teacher.js';
