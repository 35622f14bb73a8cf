import { SafetensorsFile } from '../data/safetensors.js';
import { DataError } from '../base/errors.js';
import type { NetworkSpecification } from '../model/specification.js';
import type { DenseLayer, DenseNetwork } from './dense-network.js';

/** What a file of weights does not say. */
export interface DenseFileOptions {
  readonly activation: NetworkSpecification['activation'];
  readonly loss: 'mse' | 'cross-entropy';
}

/** A linear layer as a file names it. */
interface Found {
  readonly stem: string;
  readonly rows: number;
  readonly columns: number;
  readonly hasBias: boolean;
}

/**
 * Opens the weights of a feed-forward network in a safetensors file, by the names that PyTorch
 * gives an `nn.Sequential` of `nn.Linear`s (`0.weight`, `0.bias`, `2.weight`, …, with or without a
 * prefix). The first layer becomes `input` and the last `head`; where all are N × N and the loss is
 * mse, all are hidden.
 *
 * @throws DataError when it is no such network, with the tensor that does not fit
 */
export function openDenseFile(file: string, options: DenseFileOptions): DenseNetwork {
  const weights = new SafetensorsFile(file);
  try {
    return describe(file, weights, options);
  } catch (error) {
    weights.close();
    throw error;
  }
}

function describe(
  file: string,
  weights: SafetensorsFile,
  { activation, loss }: DenseFileOptions,
): DenseNetwork {
  const found = linearLayers(file, weights);
  const [first, last] = [found[0], found.at(-1)] as [Found, Found];
  const width = first.rows;
  const square = found.every(({ rows, columns }) => rows === width && columns === width);
  const sharded = square && loss === 'mse';
  const hidden = sharded ? found : found.slice(1, -1);
  const wrong = hidden.find(({ rows, columns }) => rows !== width || columns !== width);
  if (wrong) {
    throw new DataError(
      'compress',
      `${file}: ${wrong.stem}.weight is ${wrong.rows}×${wrong.columns}, the first layer gives ` +
        `${width}; layers between the first and the last are N × N`,
    );
  }
  if (hidden.length === 0) {
    throw new DataError(
      'compress',
      `${file}: ${found.length} linear layers; between the first and the last there is none that ` +
        'could be in phantom form',
    );
  }
  return {
    name: file,
    width,
    depth: hidden.length,
    activation,
    loss,
    standardization: null,
    schema: null,
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
  { stem, rows, columns, hasBias }: Found,
  role: DenseLayer['role'],
): DenseLayer {
  return {
    role,
    name: stem,
    rows,
    columns,
    readWeight: (out) => weights.readFloat32(`${stem}.weight`, out.data),
    readBias: () => (hasBias ? weights.readFloat32(`${stem}.bias`) : new Float32Array(rows)),
  };
}

/** Every tensor of the file, as weights and biases of layers that follow one another. */
function linearLayers(file: string, weights: SafetensorsFile): Found[] {
  const fail = (what: string): never => {
    throw new DataError('compress', `${file}: ${what}`);
  };
  const stems = [...weights.entries.keys()]
    .filter((name) => name.endsWith('.weight'))
    .map((name) => name.slice(0, -'.weight'.length))
    .toSorted(byNumbers);
  const known = new Set(stems.flatMap((stem) => [`${stem}.weight`, `${stem}.bias`]));
  const stranger = [...weights.entries.keys()].find((name) => !known.has(name));
  if (stranger !== undefined) {
    fail(`${stranger} is not a weight or bias of a linear layer; only these can be compressed`);
  }
  if (stems.length < 2) fail(`${stems.length} linear layers; needs two or more`);
  let inputs: number | null = null;
  return stems.map((stem) => {
    const { shape } = weights.entry(`${stem}.weight`);
    const [rows = 0, columns = 0] = shape;
    if (shape.length !== 2 || rows === 0 || columns === 0) {
      fail(`${stem}.weight is [${shape}]; the weight of a linear layer is [outputs, inputs]`);
    }
    if (inputs !== null && columns !== inputs) {
      fail(`${stem}.weight takes ${columns} numbers, the layer before it gives ${inputs}`);
    }
    inputs = rows;
    const bias = weights.entries.get(`${stem}.bias`);
    if (bias && bias.shape.join() !== String(rows)) {
      fail(`${stem}.bias is [${bias.shape}], its layer gives ${rows}`);
    }
    return { stem, rows, columns, hasBias: bias !== undefined };
  });
}

/** `2.weight` before `10.weight`. */
function byNumbers(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}
