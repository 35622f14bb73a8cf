import type { ExportFormat, ExportReport } from '../inference/export-model.js';
import { openModel } from '../inference/model-source.js';
import { createEngine } from './engines.js';
import type { EngineChoice } from './settings.js';

export interface ExportOptions {
  /** A run folder, a checkpoint or a model folder. */
  readonly model: string;
  readonly format: ExportFormat;
  /** The file to write. */
  readonly out: string;
  readonly engine: EngineChoice;
  /** Of this package, for the record. */
  readonly version: string;
}

/** Writes a model as one file for other programs.
 * @throws CheckpointError, ConfigError, UnsupportedError */
export async function exportFile(options: ExportOptions): Promise<ExportReport> {
  const { model, format, out, engine, version } = options;
  const { exportModel } = await import('../inference/export-model.js');
  return exportModel(openModel(model), format, out, await createEngine(engine), version);
}
