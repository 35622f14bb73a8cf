import { canBeSharded, type LossName, USUAL_LOSS } from '../layers/loss-names.js';
import { SafetensorsFile } from '../data/safetensors.js';
import { DataError } from '../base/errors.js';
import type { NetworkSpecification, ResidualBlocks } from '../model/specification.js';
import type { DenseLayer, DenseNetwork } from './dense-network.js';
import { type LinearLayer, linearStack, type StackChoices } from './linear-stack.js';
import { blocksPrefix, readBlocks } from './residual-file.js';

/** What a file of weights does not say. */
export interface DenseFileOptions extends StackChoices {
  readonly activation: NetworkSpecification['activation'];
  readonly loss: LossName;
  /** Of residual blocks; a norm without a gain has no tensors. */
  readonly norm?: ResidualBlocks['norm'];
}

/**
 * Opens the weights of a feed-forward network in a safetensors file, by the names that PyTorch
 * gives an `nn.Sequential` of `nn.Linear`s (`0.weight`, `0.bias`, `2.weight`, …, with or without a
 * prefix), or by names whose order the shapes prove. Batch norms beside a layer are folded into it. The first layer becomes `input` and the last `head`; where all are N × N and the loss is
 * mse, all are hidden. Residual blocks are read by the names of `readBlocks`.
 *
 * @throws DataError when it is no such network, with the tensor that does not fit
 */
export function openDenseFile(file: string, options: DenseFileOptions): DenseNetwork {
  const weights = new SafetensorsFile(file);
  try {
    const prefix = options.layers ? null : blocksPrefix(weights, options.prefix ?? '');
    return prefix === null
      ? describeChain(file, weights, options)
      : describeBlocks(file, weights, prefix, options);
  } catch (error) {
    weights.close();
    throw error;
  }
}

/** What a file says nothing of. */
const UNSAID = { lossOptions: USUAL_LOSS, standardization: null, schema: null } as const;

function describeBlocks(
  file: string,
  weights: SafetensorsFile,
  prefix: string,
  { activation, activations, loss, norm, prefix: chosen = '' }: DenseFileOptions,
): DenseNetwork {
  if (norm === undefined) {
    throw new DataError(
      'compress',
      `${file}: it has residual blocks and does not say what is before them; give --norm rms or none`,
    );
  }
  if (activations !== undefined) {
    throw new DataError(
      'compress',
      `${file}: --activations with residual blocks; use --activation`,
    );
  }
  const { layers, expansion, gated, ...sizes } = readBlocks(weights, prefix, chosen);
  const [first, last] = [layers[0], layers.at(-1)];
  const sharded = first?.role === 'hidden';
  if (sharded && !canBeSharded(loss)) {
    throw new DataError(
      'compress',
      `${file}: loss ${loss} of residual blocks without input and head; it needs a head`,
    );
  }
  return {
    name: file,
    ...sizes,
    activation,
    residual: { norm, expansion, ...(gated && { gated }) },
    loss,
    ...UNSAID,
    ends: sharded
      ? { kind: 'sharded' }
      : { kind: 'replicated', inputs: first?.columns ?? 0, outputs: last?.rows ?? 0 },
    layers,
    close: () => weights.close(),
  };
}

function describeChain(
  file: string,
  weights: SafetensorsFile,
  options: DenseFileOptions,
): DenseNetwork {
  const { activation, loss, norm } = options;
  if (norm !== undefined) {
    throw new DataError('compress', `${file}: --norm of a chain, which has none; leave it out`);
  }
  const found = linearStack(weights, options);
  const [first, last] = [found[0], found.at(-1)] as [LinearLayer, LinearLayer];
  const square = found.every(({ rows, columns }) => rows === first.rows && columns === first.rows);
  const sharded = square && canBeSharded(loss);
  const hidden = sharded ? found : found.slice(1, -1);
  if (hidden.length === 0) {
    throw new DataError(
      'compress',
      `${file}: ${found.length} linear layers; between the first and the last there is none that ` +
        'could be in phantom form',
    );
  }
  const width = Math.max(...hidden.flatMap(({ rows, columns }) => [rows, columns]));
  return {
    name: file,
    width,
    depth: hidden.length,
    activation,
    residual: null,
    loss,
    ...UNSAID,
    ends: sharded
      ? { kind: 'sharded' }
      : { kind: 'replicated', inputs: first.columns, outputs: last.rows },
    layers: found.map((layer) => {
      const outer = layer === first ? 'input' : layer === last ? 'head' : 'hidden';
      return readerOf(weights, layer, sharded ? 'hidden' : outer);
    }),
    close: () => weights.close(),
  };
}

function readerOf(
  weights: SafetensorsFile,
  layer: LinearLayer,
  role: DenseLayer['role'],
): DenseLayer {
  const { stem, rows, columns, hasBias, norm } = layer;
  const readPlain = (out?: Float32Array) => weights.readFloat32(`${stem}.weight`, out);
  const bias = () => (hasBias ? weights.readFloat32(`${stem}.bias`) : new Float32Array(rows));
  if (norm === null) {
    return {
      role,
      place: null,
      name: stem,
      rows,
      columns,
      readWeight: ({ data }) => readPlain(data),
      readBias: bias,
    };
  }
  const { scale, shift } = foldedNorm(weights, norm.stem);
  const ofOutputs = norm.of === 'outputs';
  return {
    role,
    place: null,
    name: stem,
    rows,
    columns,
    readWeight({ data }) {
      readPlain(data);
      for (let i = 0; i < data.length; i++) {
        const place = ofOutputs ? Math.floor(i / columns) : i % columns;
        data[i] = (data[i] as number) * (scale[place] as number);
      }
    },
    readBias() {
      const own = bias();
      if (ofOutputs) {
        return own.map((value, i) => value * (scale[i] as number) + (shift[i] as number));
      }
      const weight = readPlain();
      return own.map((value, i) => {
        let sum = value;
        for (let j = 0; j < columns; j++) {
          sum += (weight[i * columns + j] as number) * (shift[j] as number);
        }
        return sum;
      });
    },
  };
}

/** PyTorch's default; a file does not say it. */
const BATCH_NORM_EPSILON = 1e-5;

/** A batch norm at inference as y = scale · x + shift. */
function foldedNorm(weights: SafetensorsFile, stem: string) {
  const read = (name: string, otherwise: number, size: number) =>
    weights.entries.has(`${stem}.${name}`)
      ? weights.readFloat32(`${stem}.${name}`)
      : new Float32Array(size).fill(otherwise);
  const variance = weights.readFloat32(`${stem}.running_var`);
  const mean = weights.readFloat32(`${stem}.running_mean`);
  const gamma = read('weight', 1, variance.length);
  const beta = read('bias', 0, variance.length);
  const scale = Float64Array.from(
    gamma,
    (value, i) => value / Math.sqrt((variance[i] as number) + BATCH_NORM_EPSILON),
  );
  const shift = Float64Array.from(
    beta,
    (value, i) => value - (mean[i] as number) * (scale[i] as number),
  );
  return { scale, shift };
}
