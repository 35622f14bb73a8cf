import type { Engine } from '../engines/engine.js';
import type { Standardization } from '../data/standardize.js';
import {
  ghostsOf,
  hiddenKind,
  type NetworkEnds,
  type NetworkSpecification,
} from '../model/specification.js';
import {
  asMatrix,
  type Matrix,
  matrixColumns,
  matrixRows,
  type Tensor,
  tensorPart,
} from '../tensor/tensor.js';
import { inputWidth } from './model-folder.js';
import type { ModelSource } from './model-source.js';
import { WeightFiles } from './weight-files.js';

/** A linear layer of a dense network: rows outputs, columns inputs. */
export interface DenseLayer {
  /** Where it is in the network. */
  readonly role: 'input' | 'hidden' | 'head';
  /** What its source calls it. */
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  /** Writes the matrix [rows, columns] into a tensor of the engine that the network was opened
   * with. @throws CheckpointError, DataError where it cannot be read */
  readWeight(out: Tensor): void;
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
  readonly loss: 'mse' | 'cross-entropy';
  readonly standardization: Standardization | null;
  /** In the order of the forward pass. */
  readonly layers: readonly DenseLayer[];
  close(): void;
}

/**
 * The dense network that a model of any strategy is: of a phantom layer, the matrix whose diagonal
 * block is L_j and whose block (j, i) is D_j[i]·C_i.
 */
export function denseOf(source: ModelSource, engine: Engine): DenseNetwork {
  const { specification, loss, standardization, path: name } = source;
  const { width, depth, activation, ends } = specification;
  const files = new WeightFiles(source.weights);
  const whole = (role: 'input' | 'head', rows: number, columns: number): DenseLayer => ({
    role,
    name: role,
    rows,
    columns,
    readWeight: (out) => files.read(`${role}.weight`, [rows, columns], out.data),
    readBias: () => files.read(`${role}.bias`, [rows]),
  });
  const read = new HiddenReader(specification, files, engine);
  const hidden = Array.from({ length: depth }, (_, layer): DenseLayer => ({
    role: 'hidden',
    name: `layers.${layer}`,
    rows: width,
    columns: width,
    readWeight: (out) => read.weight(layer, out),
    readBias: () => read.bias(layer),
  }));
  const layers =
    ends.kind === 'sharded'
      ? hidden
      : [
          whole('input', width, inputWidth(specification)),
          ...hidden,
          whole('head', ends.outputs, width),
        ];
  return {
    name,
    width,
    depth,
    activation,
    ends,
    loss,
    standardization,
    layers,
    close: () => files.close(),
  };
}

/** Puts the blocks of hidden layers together. */
class HiddenReader {
  readonly #specification: NetworkSpecification;
  readonly #files: WeightFiles;
  readonly #engine: Engine;
  /** Of the layer with most ghosts. */
  #factors: { compressors: Tensor; decompressor: Tensor } | null = null;

  constructor(specification: NetworkSpecification, files: WeightFiles, engine: Engine) {
    this.#specification = specification;
    this.#files = files;
    this.#engine = engine;
  }

  weight(layer: number, out: Tensor): void {
    const { width: N, blocks: P } = this.#specification;
    const M = N / P;
    const kind = hiddenKind(this.#specification, layer);
    if (kind === 'phantom') {
      this.#phantom(layer, asMatrix(out), out.data);
      return;
    }
    for (let block = 0; block < P; block++) {
      const name = `layers.${layer}.weight.${block}`;
      const at = kind === 'row' ? { row: 0, column: block * M } : { row: block * M, column: 0 };
      const [rows, columns] = kind === 'row' ? [N, M] : [M, N];
      place(this.#files.read(name, [rows, columns]), columns, out.data, { ...at, stride: N });
    }
  }

  bias(layer: number): Float32Array {
    const { width: N, blocks: P } = this.#specification;
    const M = N / P;
    const bias = new Float32Array(N);
    for (let block = 0; block < P; block++) {
      bias.set(this.#files.read(`layers.${layer}.bias.${block}`, [M]), block * M);
    }
    return bias;
  }

  #phantom(layer: number, out: Matrix, data: Float32Array): void {
    const { width: N, blocks: P, ghosts: most } = this.#specification;
    const [M, K] = [N / P, ghostsOf(this.#specification, layer)];
    this.#factors ??= {
      compressors: this.#engine.allocate([P * most, M]),
      decompressor: this.#engine.allocate([M, (P - 1) * most]),
    };
    const compressors = tensorPart(this.#factors.compressors, 0, [P * K, M]);
    const decompressor = tensorPart(this.#factors.decompressor, 0, [M, (P - 1) * K]);
    const part = (what: string, block: number) => `layers.${layer}.${what}.${block}`;
    for (let i = 0; i < P; i++) {
      const values = compressors.data.subarray(i * K * M, (i + 1) * K * M);
      this.#files.read(part('compressor', i), [K, M], values);
    }
    for (let j = 0; j < P; j++) {
      const local = this.#files.read(part('local', j), [M, M]);
      place(local, M, data, { row: j * M, column: j * M, stride: N });
      this.#files.read(part('decompressor', j), [M, (P - 1) * K], decompressor.data);
      for (let i = 0; i < P; i++) {
        if (i === j) continue;
        const d = matrixColumns(asMatrix(decompressor), (i < j ? i : i - 1) * K, K);
        const c = matrixRows(asMatrix(compressors), i * K, K);
        const block = matrixColumns(matrixRows(out, j * M, M), i * M, M);
        this.#engine.gemm(false, false, 1, d, c, 0, block);
      }
    }
  }
}

/** Copies a matrix of `width` columns to its place in a larger one. */
function place(
  part: Float32Array,
  width: number,
  whole: Float32Array,
  at: { readonly row: number; readonly column: number; readonly stride: number },
): void {
  for (let r = 0; r * width < part.length; r++) {
    const row = part.subarray(r * width, (r + 1) * width);
    whole.set(row, (at.row + r) * at.stride + at.column);
  }
}
