import { UnsupportedError } from '../base/errors.js';
import type { LossName, LossOptions } from '../layers/loss-names.js';
import type { HostEngine } from '../engines/host-engine.js';
import { Scratch } from '../engines/scratch.js';
import type { Standardization } from '../data/standardize.js';
import type { TableSchema } from '../data/tables/schema.js';
import { gatherHalves } from '../layers/gated/halves.js';
import { readWhole } from '../layers/dense-shards.js';
import type { ShardReader } from '../layers/kind.js';
import { kindsOf } from '../layers/network-kinds.js';
import { layerParameters } from '../model/layer-parameters.js';
import { layersOfKinds } from '../model/network-layers.js';
import {
  inputWidth,
  type NetworkEnds,
  type NetworkSpecification,
  outputWidth,
  type ResidualBlocks,
} from '../model/specification.js';
import type { HostTensor } from '../tensor/tensor.js';
import { type ModelSource, sourceText } from './model-source.js';
import { WeightFiles } from './weight-files.js';

/** A linear layer of a dense network: rows outputs, columns inputs. */
export interface DenseLayer {
  /** Where it is in the network. */
  readonly role: 'input' | 'hidden' | 'head';
  /** Which of a residual block's layers it is; null: of no block. */
  readonly place: 'up' | 'down' | null;
  /** What its source calls it. */
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  /** Writes the matrix [rows, columns] into a tensor of the engine that the network was opened
   * with. @throws CheckpointError, DataError where it cannot be read */
  readWeight(out: HostTensor): void;
  readBias(): Float32Array;
}

/** A feed-forward network by its whole matrices, read one at a time; close it when done. */
export interface DenseNetwork {
  readonly name: string;
  /** N, L, activation and ends; how it is split is the reader's matter. */
  readonly width: number;
  readonly depth: number;
  readonly activation: NetworkSpecification['activation'];
  readonly ends: NetworkEnds;
  /** Its hidden layers are residual blocks, `up` and `down` by turns; a gated `up` has the rows that φ is
   * applied to above the others. null: a chain. */
  readonly residual: ResidualBlocks | null;
  readonly loss: LossName;
  readonly lossOptions: LossOptions;
  readonly standardization: Standardization | null;
  readonly schema: TableSchema | null;
  /** In the order of the forward pass. */
  readonly layers: readonly DenseLayer[];
  close(): void;
}

/**
 * The dense network that a model of any strategy is.
 *
 * @throws UnsupportedError for a phantom network with a function on its ghosts, which is none
 */
export function denseOf(source: ModelSource, engine: HostEngine): DenseNetwork {
  const { specification, loss, lossOptions, standardization, schema } = source;
  const name = sourceText(source);
  const { width, depth, activation, ends, ghostActivation } = specification;
  if (ghostActivation !== undefined) {
    throw new UnsupportedError(
      'model',
      `${name} has ${ghostActivation} on its ghosts, and no whole matrix does what its layers do; ` +
        'export it as onnx or safetensors, or train with ghost activation none',
    );
  }
  const files = new WeightFiles(source.weights);
  const scratch = new Scratch(engine);
  const shards: ShardReader = {
    engine,
    read: (tensor, shape, out) => files.read(tensor, shape, out),
    scratch: (use, shape) => scratch.tensor(use, shape),
  };
  const kinds = kindsOf(specification.strategy, depth, specification);
  const layers = layersOfKinds(specification, kinds).map((layer): DenseLayer => {
    // Without what only fills up the blocks.
    const rows = layer.role === 'head' ? outputWidth(specification) : layer.outputs;
    const columns = layer.role === 'input' ? inputWidth(specification) : layer.inputs;

    return {
      role: layer.role,
      place: layer.opensBlock ? 'up' : layer.closesBlock ? 'down' : null,
      name: layer.name,
      rows,
      columns,
      readWeight(out) {
        if (rows === layer.outputs && columns === layer.inputs) {
          layer.kind.dense(layer, shards, out);
          if (layer.gated) out.data.set(gatherHalves(out.data, layer.blocks));
          return;
        }
        const whole = shards.scratch('padded', [layer.outputs, layer.inputs]);
        layer.kind.dense(layer, shards, whole);
        for (let row = 0; row < rows; row++) {
          const from = row * layer.inputs;
          out.data.set(whole.data.subarray(from, from + columns), row * columns);
        }
      },
      readBias() {
        const bias = new Float32Array(layer.outputs);
        const of = (block: number) => layerParameters(layer, block);
        readWhole({ layer, part: 'bias', of }, shards, bias);
        return layer.gated ? gatherHalves(bias, layer.blocks) : bias.subarray(0, rows);
      },
    };
  });
  return {
    name,
    width,
    depth,
    activation,
    ends,
    residual: specification.residual ?? null,
    loss,
    standardization,
    lossOptions,
    schema,
    layers,
    close: () => files.close(),
  };
}
