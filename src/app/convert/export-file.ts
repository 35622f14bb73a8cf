import type { ExportFormat } from '../../export/export-formats.js';
import type { FileReport } from '../../export/export-model.js';
import { ConfigError } from '../../base/errors.js';
import { openModel, sourceText } from '../../models/model-source.js';
import { createHostEngine } from '../ranks/engines.js';
import type { EngineChoice } from '../../engines/engine-list.js';

/** What `exportModel` writes, and where. */
export interface ExportOptions {
  /** A run folder, a checkpoint or a model folder. */
  readonly model: string;
  /** Of a run: `best`, `last`, `step-100` or a path. Default: the best by validation, or the last
   * where nothing was validated. */
  readonly checkpoint?: string | null;
  readonly format: ExportFormat;
  /** The file to write; it must not be there yet. */
  readonly out: string;
  /** Whether the ONNX graph of a model of a table takes its columns by name, and gives the names of
   * classes; else it takes encoded features. Default true. */
  readonly pipeline?: boolean | null;
  /** What multiplies where whole matrices are written. Default `auto`. */
  readonly engine?: EngineChoice;
  /** Takes what the caller should know: an engine that cannot be used for this, and what is used in its place. */
  readonly onWarning?: (message: string) => void;
}

/** The file that `exportModel` wrote. */
export interface ExportReport extends FileReport {
  /** What it was made of, in words; of a run with the checkpoint. */
  readonly source: string;
  /** Whether it is an ONNX graph that takes the columns of a table. */
  readonly pipeline: boolean;
}

/**
 * Writes a model as one file for other programs, whole or not at all.
 *
 * | format | what it holds |
 * |---|---|
 * | `safetensors` | the tensors of a checkpoint, by their names |
 * | `safetensors-dense` | whole matrices: `input.weight`, `layers.0.weight`, …, `head.weight` |
 * | `pytorch-names` | the same as an nn.Sequential names them: `0.weight`, `2.weight`, … |
 * | `onnx` | a graph from `x` [batch, features] to `y` [batch, outputs]; of a model of a table from its columns, with `label` and `probabilities` for classes, else with an output for each name too |
 *
 * @returns the file's size and number of tensors
 * @throws CheckpointError when the model is missing or damaged, ConfigError when `out` is there
 *   already or cannot be written, UnsupportedError for an ONNX file of more than 2 GiB
 *
 * @example
 * ```ts
 * import { exportModel } from 'phantom-parallel';
 *
 * const { bytes } = await exportModel({ model: 'runs/xor', format: 'onnx', out: 'xor.onnx' });
 * console.log(`xor.onnx has ${bytes} bytes`);
 * ```
 */
export async function exportModel(options: ExportOptions): Promise<ExportReport> {
  const { model, checkpoint = null, format, out, engine = 'auto' } = options;
  const { writeExport } = await import('../../export/export-model.js');
  const source = openModel(model, { checkpoint });
  const isOnnx = format === 'onnx';
  const { pipeline = null } = options;
  if (pipeline !== null && !isOnnx) {
    throw new ConfigError('export', `pipeline is of the format onnx; ${format} holds tensors only`);
  }
  if (pipeline === true && source.schema === null) {
    const what = `${model} was not trained on a table: its ONNX graph takes features`;
    throw new ConfigError('export', what);
  }
  const host = await createHostEngine(engine, 'export', options.onWarning);
  const means = { engine: host, pipeline: pipeline !== false };
  const report = writeExport(source, format, out, means);
  const takesColumns = isOnnx && means.pipeline && source.schema !== null;
  return { ...report, source: sourceText(source), pipeline: takesColumns };
}
