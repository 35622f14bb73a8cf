import type { ExportFormat, ExportReport } from '../../export/export-model.js';
import { openModel } from '../../models/model-source.js';
import { createEngine } from '../ranks/engines.js';
import type { EngineChoice } from '../../engines/engine-list.js';

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
  const { exportModel } = await import('../../export/export-model.js');
  return exportModel(openModel(model), format, out, await createEngine(engine), version);
}
