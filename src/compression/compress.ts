import { parameterCount, stepCost } from '../analysis/network-cost.js';
import type { SafetensorsTensor } from '../data/safetensors.js';
import type { Engine } from '../engines/engine.js';
import { ConfigError, DataError } from '../base/errors.js';
import { type PhantomFactors, phantomTensors, subtractPhantom } from '../layers/phantom/dense.js';
import { networkLayers } from '../model/network-layers.js';
import { type NetworkSpecification, validateSpecification } from '../model/specification.js';
import { type Tensor, tensorPart } from '../tensor/tensor.js';
import type { DenseLayer, DenseNetwork } from '../models/dense-network.js';
import { refuseExisting, writeModel } from '../models/model-folder.js';
import { factorize, ghostEnergies, ghostsForEnergy, shareGhosts } from './phantom-factors.js';
import { Probe, type ProbeData, type ProbeReport } from './probe.js';
import type { TruncatedSvd } from './truncated-svd.js';

/** How many ghosts the blocks of a layer get: a number; in each layer as many as keep a share of its
 * squared off-diagonal weights; or as many as fit a model of so many bytes, where they keep most. */
export type GhostChoice =
  | { readonly by: 'ghosts'; readonly ghosts: number }
  | { readonly by: 'energy'; readonly share: number }
  | { readonly by: 'budget'; readonly bytes: number };

export interface CompressionRequest {
  readonly network: DenseNetwork;
  /** P */
  readonly blocks: number;
  readonly choice: GhostChoice;
  /** The model folder to write. */
  readonly out: string;
  /** null: the output error is not measured */
  readonly probe: ProbeData | null;
  /** Said of each piece of work before it is begun. */
  readonly onProgress: (what: string) => void;
}

/** One layer, compressed. */
export interface CompressedLayer {
  readonly name: string;
  /** Of each block. */
  readonly ghosts: number;
  /** ‖W − Ŵ‖ / ‖W‖ of the weights that were written, Frobenius. */
  readonly relativeError: number;
}

/** Sizes of a network; FLOPs and bytes of a rank for one sample, forward, one rank a block. */
export interface NetworkSize {
  readonly parameters: number;
  readonly bytes: number;
  readonly flopsPerSample: number;
  readonly receivedBytesPerSample: number;
}

/** What `compress` made: the network, its sizes before and after, and its errors. */
export interface CompressionReport {
  readonly model: string;
  readonly specification: NetworkSpecification;
  readonly svd: string;
  readonly layers: readonly CompressedLayer[];
  /** As a tensor-parallel network of the same blocks. */
  readonly before: NetworkSize;
  readonly after: NetworkSize;
  readonly probe: ProbeReport | null;
}

/**
 * Turns a dense network into a phantom one and writes it as a model folder. One layer is in memory
 * at a time: about 4·N² bytes on the engine, and 32·N²/P beside it.
 *
 * @throws ConfigError when the sizes do not fit, DataError for weights that are not finite
 */
export function compressNetwork(
  request: CompressionRequest,
  engine: Engine,
  svd: TruncatedSvd,
): CompressionReport {
  refuseExisting(request.out);
  return new Compression(request, engine, svd).run();
}

class Compression {
  readonly #request: CompressionRequest;
  readonly #engine: Engine;
  readonly #svd: TruncatedSvd;
  readonly #tensors = new Map<string, Tensor>();

  constructor(request: CompressionRequest, engine: Engine, svd: TruncatedSvd) {
    this.#request = request;
    this.#engine = engine;
    this.#svd = svd;
  }

  run(): CompressionReport {
    const { network, out, choice } = this.#request;
    const specification = this.#specification(this.#chooseGhosts());
    validateSpecification(specification);
    const probe = this.#request.probe && new Probe(this.#engine, this.#request.probe);
    const report: CompressedLayer[] = [];
    const sizes = networkLayers(specification);
    const shards = sizes.map((size, i) => () => {
      const layer = network.layers[i] as DenseLayer;
      const activation = size.activation ?? 'identity';
      this.#request.onProgress(`layer ${i + 1} of ${sizes.length}: ${layer.name}`);
      const { weight, bias } = this.#read(layer);
      if (layer.role !== 'hidden') {
        probe?.layer(weight, bias, activation, null);
        return wholeTensors(layer, weight, bias);
      }
      const norm = Math.sqrt(this.#engine.sumOfSquares(weight));
      const factors = this.#factors(specification, size.ghosts);
      const { inputs: width, blocks, ghosts, secondMoment } = size;
      factorize(weight.data, { width, blocks, ghosts, secondMoment }, this.#svd, factors);
      const tensors = phantomTensors(size, weight.data, bias, factors);
      const subtract = () => subtractPhantom(weight, size, factors, this.#engine);
      if (probe) probe.layer(weight, bias, activation, subtract);
      else subtract();
      const left = Math.sqrt(this.#engine.sumOfSquares(weight));
      const relativeError = norm === 0 ? 0 : left / norm;
      report.push({ name: layer.name, ghosts, relativeError });
      return tensors;
    });
    const { loss, standardization, schema } = network;
    const source = { compressedFrom: network.name, choice, svd: this.#svd.description };
    writeModel(out, { specification, loss, standardization, schema, source }, shards);
    return {
      model: out,
      specification,
      svd: this.#svd.description,
      layers: report,
      before: sizeOf({ ...specification, strategy: 'tensor' }),
      after: sizeOf(specification),
      probe: probe && probe.report(loss),
    };
  }

  /** @param each K of all layers, or of each */
  #specification(each: number | readonly number[]): NetworkSpecification {
    const { width, depth, activation, ends } = this.#request.network;
    const { blocks } = this.#request;
    const ghosts = typeof each === 'number' ? each : Math.max(...each);
    const differ = typeof each !== 'number' && each.some((count) => count !== ghosts);
    const sizes = { width, depth, blocks, ghosts, ...(differ && { layerGhosts: each }) };
    return { strategy: 'phantom', ...sizes, activation, ends };
  }

  /** K of all layers, or of each. */
  #chooseGhosts(): number | number[] {
    const { network, blocks, choice, onProgress } = this.#request;
    const hidden = network.layers.filter(({ role }) => role === 'hidden');
    // Blocks that do not divide the width are told of before any work.
    validateSpecification(this.#specification(1));
    if (choice.by === 'ghosts') return choice.ghosts;
    const count = choice.by === 'budget' ? this.#ghostsWithin(choice.bytes) : 0;
    const energies = hidden.map((layer, i) => {
      onProgress(`singular values, layer ${i + 1} of ${hidden.length}: ${layer.name}`);
      const { weight } = this.#read(layer);
      return ghostEnergies(weight.data, { width: network.width, blocks }, this.#svd);
    });
    return choice.by === 'budget'
      ? shareGhosts(energies, count)
      : energies.map((each) => ghostsForEnergy(each, choice.share));
  }

  /** Ghosts of a block, all layers together: every one takes as many bytes.
   * @throws ConfigError when one a layer is too much, with the least that would do */
  #ghostsWithin(bytes: number): number {
    const { network, blocks } = this.#request;
    const bytesAt = (ghosts: number) => 4 * parameterCount(this.#specification(ghosts));
    const each = (bytesAt(1) - bytesAt(0)) / network.depth;
    const ghosts = Math.floor((bytes - bytesAt(0)) / each);
    if (ghosts >= network.depth) return ghosts;
    throw new ConfigError(
      'compress',
      `budget ${bytes} bytes; ${blocks} blocks of width ${network.width / blocks} with one ghost ` +
        `take ${bytesAt(1)}: allow more, or use more blocks`,
    );
  }

  #read(layer: DenseLayer): { weight: Tensor; bias: Float32Array } {
    const weight = this.#tensor([layer.rows, layer.columns]);
    layer.readWeight(weight);
    const bias = layer.readBias();
    const finite =
      Number.isFinite(this.#engine.sumOfSquares(weight)) && bias.every(Number.isFinite);
    if (finite) return { weight, bias };
    throw new DataError('compress', `${this.#request.network.name}: ${layer.name} is not finite`);
  }

  /** On memory for the layer with most ghosts. */
  #factors({ width: N, blocks: P, ghosts }: NetworkSpecification, K: number): PhantomFactors {
    const [compressors, decompressors] = [
      this.#tensor([P * ghosts, N / P], 'compressors'),
      this.#tensor([N, (P - 1) * ghosts], 'decompressors'),
    ];
    return {
      compressors: tensorPart(compressors, 0, [P * K, N / P]),
      decompressors: tensorPart(decompressors, 0, [N, (P - 1) * K]),
    };
  }

  /** Memory of an engine is never given back: layers of one shape share it. */
  #tensor(shape: readonly number[], use = 'weight'): Tensor {
    const key = `${use} ${shape.join('×')}`;
    const tensor = this.#tensors.get(key) ?? this.#engine.allocate(shape);
    this.#tensors.set(key, tensor);
    return tensor;
  }
}

function wholeTensors(
  { role, rows, columns }: DenseLayer,
  weight: Tensor,
  bias: Float32Array,
): SafetensorsTensor[] {
  return [
    { name: `${role}.weight`, dtype: 'F32', shape: [rows, columns], data: weight.data },
    { name: `${role}.bias`, dtype: 'F32', shape: [rows], data: bias },
  ];
}

function sizeOf(specification: NetworkSpecification): NetworkSize {
  const parameters = parameterCount(specification);
  const { forward } = stepCost(specification, specification.blocks, 1);
  return {
    parameters,
    bytes: 4 * parameters,
    flopsPerSample: forward.flops,
    receivedBytesPerSample: forward.receivedBytes,
  };
}
