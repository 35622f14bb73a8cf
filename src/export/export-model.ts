import { existsSync, writeSync } from 'node:fs';
import path from 'node:path';
import { SafetensorsFile, type SafetensorsTensor, writeSafetensors } from '../data/safetensors.js';
import { recordStandardization } from '../data/standardize.js';
import type { HostEngine } from '../engines/host-engine.js';
import { ConfigError, UnsupportedError } from '../base/errors.js';
import { packageVersion } from '../base/version.js';
import { isSystemError, makeFolders, remedyFor, replaceFileBy } from '../base/files.js';
import { type DenseLayer, type DenseNetwork, denseOf } from '../models/dense-network.js';
import type { ModelSource } from '../models/model-source.js';
import type { ExportFormat } from './export-formats.js';
import { denseGraph } from './onnx/dense-graph.js';
import { encodeModel, type OnnxGraph } from './onnx/messages.js';
import { phantomGraph } from './onnx/network-graph.js';
import { outputNames } from '../models/outputs.js';
import { withTable } from './onnx/table-pipeline.js';
import { outputWidth } from '../model/specification.js';
import { WeightFiles } from '../models/weight-files.js';

/** What protobuf's readers take. */
const MOST_ONNX_BYTES = 2 ** 31 - 1;

/** A file that was written. */
export interface FileReport {
  readonly file: string;
  readonly format: ExportFormat;
  readonly bytes: number;
  readonly tensors: number;
}

/**
 * Writes a model as one file, whole or not at all.
 *
 * | format | what it holds |
 * |---|---|
 * | safetensors | the tensors of a checkpoint, by their names |
 * | safetensors-dense | whole matrices: `input.weight`, `layers.0.weight`, …, `head.weight` |
 * | pytorch-names | the same as an nn.Sequential names them: `0.weight`, `2.weight`, … |
 * | onnx | a graph in phantom form, or of whole matrices for a tensor-parallel model |
 *
 * Of residual blocks `pytorch-names` are `input`, `blocks.0.up`, `blocks.0.down`, …, `head`, and of gated
 * ones `blocks.0.gate` for the rows that the activation is applied to.
 *
 * With `pipeline` an ONNX graph of a model of a table takes its columns, see `withTable`.
 *
 * Safetensors files say activation, loss and standardization in their metadata.
 *
 * @throws ConfigError when the file is there already or cannot be written, UnsupportedError for
 *   an ONNX file of more than 2 GiB
 */
export function writeExport(
  source: ModelSource,
  format: ExportFormat,
  file: string,
  { engine, pipeline }: { readonly engine: HostEngine; readonly pipeline: boolean },
): FileReport {
  if (existsSync(file)) {
    throw new ConfigError('export', `${file} already exists; choose another --out, or remove it`);
  }
  if (format === 'onnx') return exportOnnx(source, file, engine, pipeline);
  return exportSafetensors(source, format, file, engine);
}

function exportSafetensors(
  source: ModelSource,
  format: Exclude<ExportFormat, 'onnx'>,
  file: string,
  engine: HostEngine,
): FileReport {
  const { specification, loss, standardization } = source;
  const metadata = {
    format: 'pt',
    activation: specification.activation,
    loss,
    specification: JSON.stringify(specification),
    standardization: JSON.stringify(recordStandardization(standardization)),
  };
  const tensors =
    format === 'safetensors' ? shardTensors(source) : denseTensors(source, format, engine);
  const { bytes } = makeFile(file, (descriptor) => writeSafetensors(descriptor, tensors, metadata));
  return { file, format, bytes, tensors: tensors.length };
}

/** Every tensor of the model's shards. */
function shardTensors(source: ModelSource): SafetensorsTensor[] {
  const { shards } = new WeightFiles(source.weights);
  return shards.flatMap((shard) => {
    const file = new SafetensorsFile(path.join(source.weights, shard));
    try {
      return [...file.entries].map(([name, { shape }]): SafetensorsTensor => ({
        name,
        dtype: 'F32',
        shape,
        data: file.readFloat32(name),
      }));
    } finally {
      file.close();
    }
  });
}

function denseTensors(
  source: ModelSource,
  format: 'safetensors-dense' | 'pytorch-names',
  engine: HostEngine,
): SafetensorsTensor[] {
  return withNetwork(source, engine, (network) =>
    network.layers.flatMap((layer, i) => {
      const { rows, columns } = layer;
      const stems = format === 'pytorch-names' ? pytorchStems(network, layer, i) : [layer.name];
      const weight = engine.allocate([rows, columns]);
      layer.readWeight(weight);
      const bias = layer.readBias();
      const each = rows / stems.length;
      return stems.flatMap((stem, part): SafetensorsTensor[] => {
        const [from, to] = [part * each, (part + 1) * each];
        const data = weight.data.subarray(from * columns, to * columns);
        return [
          { name: `${stem}.weight`, dtype: 'F32', shape: [each, columns], data },
          { name: `${stem}.bias`, dtype: 'F32', shape: [each], data: bias.subarray(from, to) },
        ];
      });
    }),
  );
}

/** Names of a layer's modules, one below the other; i is its place among the layers. */
function pytorchStems(
  { residual, ends }: DenseNetwork,
  { role, place }: DenseLayer,
  i: number,
): string[] {
  // An nn.Sequential counts the activations between the layers too.
  if (residual === null) return [String(2 * i)];
  if (place === null) return [role];
  const block = Math.floor((i - (ends.kind === 'sharded' ? 0 : 1)) / 2);
  const stem = `blocks.${block}`;
  return place === 'up' && residual.gated ? [`${stem}.gate`, `${stem}.up`] : [`${stem}.${place}`];
}

function withNetwork<T>(
  source: ModelSource,
  engine: HostEngine,
  use: (network: DenseNetwork) => T,
): T {
  const network = denseOf(source, engine);
  try {
    return use(network);
  } finally {
    network.close();
  }
}

function namesOf(source: ModelSource): string[] {
  return outputNames(source, outputWidth(source.specification));
}

function exportOnnx(
  source: ModelSource,
  file: string,
  engine: HostEngine,
  pipeline: boolean,
): FileReport {
  const write = (network: OnnxGraph): FileReport => {
    const { schema } = source;
    const graph =
      pipeline && schema !== null ? withTable(network, schema, namesOf(source)) : network;
    const encoded = encodeModel(graph, packageVersion());
    const { bytes } = encoded;
    if (bytes > MOST_ONNX_BYTES) {
      throw new UnsupportedError(
        'export',
        `${bytes} bytes; an ONNX file holds less than 2 GiB: export safetensors instead`,
      );
    }
    makeFile(file, (descriptor) => {
      for (const piece of encoded.pieces()) {
        for (let done = 0; done < piece.length;) done += writeSync(descriptor, piece, done);
      }
    });
    return { file, format: 'onnx', bytes, tensors: graph.tensors.length };
  };
  if (source.specification.strategy !== 'phantom') {
    return withNetwork(source, engine, (network) => write(denseGraph(network, engine)));
  }
  const files = new WeightFiles(source.weights);
  try {
    return write(phantomGraph(source, files));
  } finally {
    files.close();
  }
}

/** Makes a file that appears when it is complete. @throws ConfigError when the system refuses */
function makeFile<T>(file: string, write: (descriptor: number) => T): T {
  try {
    makeFolders(path.dirname(file));
    return replaceFileBy(file, write);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new ConfigError('export', `cannot write ${file}: ${error.message}; ${remedyFor(error)}`);
  }
}
