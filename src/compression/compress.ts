import { parameterCount, stepCost } from '../analysis/network-cost.js';
import type { SafetensorsTensor } from '../data/safetensors.js';
import type { Slots } from '../engines/engine.js';
import type { HostEngine } from '../engines/host-engine.js';
import { Scratch } from '../engines/scratch.js';
import { ConfigError, DataError } from '../base/errors.js';
import { scatterHalves } from '../layers/gated/halves.js';
import { type PhantomFactors, phantomTensors, subtractPhantom } from '../layers/phantom/dense.js';
import { type NetworkLayer, networkLayers } from '../model/network-layers.js';
import { type NetworkSpecification, validateSpecification } from '../model/specification.js';
import type { HostTensor } from '../tensor/tensor.js';
import type { DenseLayer, DenseNetwork } from '../models/dense-network.js';
import { refuseExisting, writeModel } from '../models/model-folder.js';
import type { BetweenOptions } from './between.js';
import { Calibration, type CalibrationRows } from './calibration.js';
import type { GhostChoice, Minimized } from './choices.js';
import { factorize, ghostEnergies, ghostsForEnergy, shareGhosts } from './phantom-factors.js';
import { hiddenWidths, phantomSpecification } from './phantom-specification.js';
import { type DenseForm, Probe, type ProbeData, type ProbeReport } from './probe.js';
import type { TruncatedSvd } from './truncated-svd.js';
import { factorizeWeighted, weightedGhostEnergies } from './weighted-factors.js';

export interface CompressionRequest {
  readonly network: DenseNetwork;
  /** P */
  readonly blocks: number;
  readonly choice: GhostChoice;
  /** The model folder to write. */
  readonly out: string;
  /** null: the output error is not measured */
  readonly probe: ProbeData | null;
  /** Rows that the outputs of every layer are compared on; null: they are not. */
  readonly calibration: CalibrationRows | null;
  /** What the decomposition keeps nearest; the outputs only with `calibration`. */
  readonly minimize: Minimized;
  /** Said of each piece of work before it is begun. */
  readonly onProgress: (what: string) => void;
}

/** How far a layer is from the dense one. */
export interface LayerErrors {
  /** ‖W − Ŵ‖ / ‖W‖, Frobenius. */
  readonly relativeError: number;
  /** ‖ẑ − z‖ / ‖z‖ before the activation, on the training rows as the dense network takes them;
   * null: without data. */
  readonly outputError: number | null;
}

/** One layer, compressed, and the errors of what was written. */
export interface CompressedLayer extends LayerErrors {
  readonly name: string;
  /** Of each block. */
  readonly ghosts: number;
  /** What the decomposition of the weights would have left; null: it is what was written. */
  readonly plain: LayerErrors | null;
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
  /** What it was made of; of a run with the checkpoint. */
  readonly compressedFrom: string;
  readonly specification: NetworkSpecification;
  readonly svd: string;
  readonly minimize: Minimized;
  /** Training rows that the layers' outputs were compared on; 0: without data. */
  readonly calibrationRows: number;
  readonly layers: readonly CompressedLayer[];
  /** As a tensor-parallel network of the same blocks. */
  readonly before: NetworkSize;
  readonly after: NetworkSize;
  readonly probe: ProbeReport | null;
}

/**
 * Turns a dense network into a phantom one and writes it as a model folder. One layer is in memory
 * at a time: about 8·N² bytes on the engine, and 32·N²/P beside it; with `calibration` what that
 * takes, 4·N² and 16·N² more.
 *
 * @throws ConfigError when the sizes do not fit, DataError for weights that are not finite
 */
export function compressNetwork(
  request: CompressionRequest,
  engine: HostEngine,
  svd: TruncatedSvd,
): CompressionReport {
  refuseExisting(request.out);
  return new Compression(request, engine, svd).run();
}

class Compression {
  readonly #request: CompressionRequest;
  readonly #engine: HostEngine;
  readonly #svd: TruncatedSvd;
  readonly #scratch: Scratch;
  readonly #squares: Slots;
  readonly #calibration: Calibration | null;
  readonly #between: BetweenOptions;

  constructor(request: CompressionRequest, engine: HostEngine, svd: TruncatedSvd) {
    this.#request = request;
    this.#engine = engine;
    this.#svd = svd;
    this.#scratch = new Scratch(engine);
    this.#squares = engine.slots(1);
    const { network, blocks, calibration } = request;
    this.#between = { residual: network.residual, blocks };
    this.#calibration = calibration && new Calibration(engine, calibration, this.#between);
  }

  run(): CompressionReport {
    const { network, out, choice, minimize } = this.#request;
    const specification = this.#specification(this.#chooseGhosts());
    validateSpecification(specification);
    this.#calibration?.restart();
    const probe =
      this.#request.probe && new Probe(this.#engine, this.#request.probe, this.#between);
    const report: CompressedLayer[] = [];
    const sizes = networkLayers(specification);
    // Memory for the largest comes first.
    const hidden = sizes.filter(({ role }) => role === 'hidden');
    const bySize = hidden.toSorted((a, b) => b.inputs * b.outputs - a.inputs * a.outputs);
    for (const size of bySize) this.#factors(size);
    const shards = sizes.map((size, i) => () => {
      const layer = network.layers[i] as DenseLayer;
      const activation = size.activation ?? 'identity';
      this.#request.onProgress(`layer ${i + 1} of ${sizes.length}: ${layer.name}`);
      const { weight, bias } = this.#read(layer);
      const form = { weight, bias, activation };
      this.#calibration?.enter(layer);
      if (layer.role !== 'hidden') {
        if (layer.role === 'input') this.#pass(layer, form);
        probe?.layer(layer, form, null);
        return wholeTensors(layer, weight, bias);
      }
      const { factors, shift, errors } = this.#compress(size, layer, form);
      report.push({ name: layer.name, ghosts: size.ghosts, ...errors });
      const moved = bias.map((value, row) => value + (shift?.[row] ?? 0));
      const subtract = () => subtractPhantom(weight, size, factors, this.#engine);
      probe?.layer(layer, form, { subtract, bias: moved });
      return phantomTensors(size, moved, factors);
    });
    const { loss, lossOptions, standardization, schema } = network;
    const source = { compressedFrom: network.name, choice, minimize, svd: this.#svd.description };
    const model = { specification, loss, lossOptions, standardization, schema, source };
    writeModel(out, model, shards);
    return {
      model: out,
      compressedFrom: network.name,
      specification,
      svd: this.#svd.description,
      minimize,
      calibrationRows: this.#request.calibration?.rows ?? 0,
      layers: report,
      before: sizeOf({ ...specification, strategy: 'tensor' }),
      after: sizeOf(specification),
      probe: probe && probe.report(loss, lossOptions),
    };
  }

  /** A layer's phantom form, what is added to its bias, and the errors of both decompositions. */
  #compress(size: NetworkLayer, dense: DenseLayer, { weight, bias, activation }: DenseForm) {
    const calibration = this.#calibration;
    const { inputs, outputs, blocks, ghosts } = size;
    const factors = this.#factors(size);
    const z = calibration?.multiply(weight, bias);
    const norm = Math.sqrt(this.#sumOfSquares(weight));
    const errorsOf = (shift: Float64Array | null): LayerErrors => {
      const difference = this.#scratch.tensor('difference', weight.shape);
      this.#engine.copy(weight, difference);
      subtractPhantom(difference, size, factors, this.#engine);
      const left = Math.sqrt(this.#sumOfSquares(difference));
      const outputError = z ? (calibration?.outputError(z, difference, shift) ?? null) : null;
      return { relativeError: norm === 0 ? 0 : left / norm, outputError };
    };
    factorize(weight.data, size, this.#svd, factors);
    const plain = errorsOf(null);
    if (this.#request.minimize === 'weights' || calibration === null) {
      if (z) calibration?.advance(dense, z, activation);
      return { factors, shift: null, errors: { ...plain, plain: null } };
    }
    const layer = { inputs, outputs, blocks, weight: weight.data, moments: calibration.moments() };
    const shift = factorizeWeighted(layer, ghosts, this.#svd, factors);
    const errors = { ...errorsOf(shift), plain };
    if (z) calibration.advance(dense, z, activation);
    return { factors, shift, errors };
  }

  #sumOfSquares(x: HostTensor): number {
    this.#engine.sumOfSquares(x, this.#squares, 0);
    return this.#engine.read(this.#squares)[0] ?? 0;
  }

  /** Takes the calibration's rows to the next layer. */
  #pass(layer: DenseLayer, { weight, bias, activation }: DenseForm): void {
    const z = this.#calibration?.multiply(weight, bias);
    if (z) this.#calibration?.advance(layer, z, activation);
  }

  /** @param each K of all layers, or of each */
  #specification(each: number | readonly number[]): NetworkSpecification {
    return phantomSpecification(this.#request.network, this.#request.blocks, each);
  }

  /** K of all layers, or of each. */
  #chooseGhosts(): number | number[] {
    const { network, blocks, choice, minimize, onProgress } = this.#request;
    const hidden = network.layers.filter(({ role }) => role === 'hidden');
    // Blocks that do not divide the width are refused before any work.
    validateSpecification(this.#specification(1));
    if (choice.by === 'ghosts') return choice.ghosts;
    const count = choice.by === 'budget' ? this.#ghostsWithin(choice.bytes) : 0;
    const weighted = minimize === 'outputs' ? this.#calibration : null;
    const energies: Float64Array[] = [];
    const read = weighted ? network.layers.filter(({ role }) => role !== 'head') : hidden;
    for (const layer of read) {
      const { weight, bias } = this.#read(layer);
      weighted?.enter(layer);
      const z = weighted?.multiply(weight, bias);
      if (layer.role === 'hidden') {
        onProgress(`singular values, ${layer.name}`);
        const split = { inputs: layer.columns, outputs: layer.rows, blocks };
        if (weighted && z) {
          // Layers are compared by shares of their outputs' variance.
          const one = { ...split, weight: weight.data, moments: weighted.moments() };
          const size = weighted.variance(z) || 1;
          energies.push(weightedGhostEnergies(one, this.#svd).map((each) => each / size));
        } else energies.push(ghostEnergies(weight.data, split, this.#svd));
      }
      const isLinear = network.residual !== null && layer.place !== 'up';
      if (z) weighted?.advance(layer, z, isLinear ? 'identity' : network.activation);
    }
    if (choice.by === 'budget') {
      return shareGhosts(network.residual === null ? energies : inPairs(energies), count);
    }
    const each = energies.map((one) => ghostsForEnergy(one, choice.share));
    if (network.residual === null) return each;
    // As many as both layers of a block need.
    const most = network.width / blocks;
    return Array.from({ length: each.length / 2 }, (_, l) =>
      Math.min(most, Math.max(each[2 * l] ?? 1, each[2 * l + 1] ?? 1)),
    );
  }

  /** Ghosts of a block, all layers together: every one takes as many bytes.
   * @throws ConfigError when one a layer is too much, with the least that would do */
  #ghostsWithin(bytes: number): number {
    const { network, blocks } = this.#request;
    if (hiddenWidths(network).some((width) => width !== network.width)) {
      throw new ConfigError(
        'compress',
        'budget for widths that change, whose ghosts take different bytes; give ghosts or energy',
      );
    }
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

  #read(layer: DenseLayer): { weight: HostTensor; bias: Float32Array } {
    const weight = this.#scratch.tensor('weight', [layer.rows, layer.columns]);
    layer.readWeight(weight);
    let bias = layer.readBias();
    const { blocks, network } = this.#request;
    if (network.residual?.gated && layer.place === 'up') {
      // Each block has both halves of its own.
      weight.data.set(scatterHalves(weight.data, blocks));
      bias = scatterHalves(bias, blocks);
    }
    const finite = Number.isFinite(this.#sumOfSquares(weight)) && bias.every(Number.isFinite);
    if (finite) return { weight, bias };
    throw new DataError(
      'compress',
      `${this.#request.network.name}: a weight or bias of layer ${layer.name} is not finite`,
    );
  }

  #factors({
    inputs,
    outputs,
    blocks: P,
    ghosts: K,
  }: Pick<NetworkLayer, 'inputs' | 'outputs' | 'blocks' | 'ghosts'>): PhantomFactors {
    return {
      locals: this.#scratch.tensor('locals', [outputs, inputs / P]),
      compressors: this.#scratch.tensor('compressors', [P * K, inputs / P]),
      decompressors: this.#scratch.tensor('decompressors', [outputs, (P - 1) * K]),
    };
  }
}

function wholeTensors(
  { role, rows, columns }: DenseLayer,
  weight: HostTensor,
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

/** Of residual blocks, whose two layers have as many ghosts: what both keep together, of as many as a
 * block of the stream is wide. */
function inPairs(energies: readonly Float64Array[]): Float64Array[] {
  return Array.from({ length: energies.length / 2 }, (_, l) => {
    const [up, down] = [energies[2 * l], energies[2 * l + 1]];
    return (up ?? new Float64Array()).map((energy, k) => energy + (down?.[k] ?? 0));
  });
}
