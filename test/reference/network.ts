/**
 * A float64 feed-forward network by plain loops: phantom and dense forms, all losses. It shares
 * no code with the package, and knows it only through the names and shapes in checkpoints.
 */
import type { Activation } from '#src/engines/activations.js';
import { REFERENCE_ACTIVATIONS } from './activations.js';
import { type ReferenceLoss, referenceLoss } from './losses.js';
import {
  beside,
  columnsOf,
  type Dense,
  dense,
  multiply,
  plus,
  rowsOf,
  rowSums,
  stack,
  transpose,
  withoutRows,
  zeros,
} from './matrix.js';

export type Tensors = Map<string, { shape: readonly number[]; values: Float64Array }>;

export interface ReferenceShape extends ReferenceLoss {
  readonly strategy: string;
  readonly width: number;
  readonly depth: number;
  readonly blocks: number;
  readonly ghosts: number;
  /** By hidden layer, where they differ. */
  readonly layerGhosts?: readonly number[];
  readonly activation: Activation;
}

function tensor(tensors: Tensors, name: string): Dense {
  const found = tensors.get(name);
  if (found === undefined) throw new Error(`no tensor ${name}; have ${[...tensors.keys()].join()}`);
  return dense(found.shape[0], found.shape[1] ?? 1, found.values);
}

/** The dense matrix that a hidden layer is: `weight` shards put together, or the phantom's. */
export function denseHidden(shape: ReferenceShape, tensors: Tensors, layer: number): Dense {
  const { width: N, blocks: P } = shape;
  const K = shape.layerGhosts?.[layer] ?? shape.ghosts;
  const blocks = Array.from({ length: P }, (_, j) => j);
  const name = (what: string, j: number) => `layers.${layer}.${what}.${j}`;
  if (shape.strategy !== 'phantom') {
    const shards = blocks.map((j) => tensor(tensors, name('weight', j)));
    return shards[0]?.columns === N ? stack(shards) : beside(shards);
  }
  return stack(
    blocks.map((j) => {
      const D = tensor(tensors, name('decompressor', j));
      return beside(
        blocks.map((i) => {
          if (i === j) return tensor(tensors, name('local', j));
          const position = i < j ? i : i - 1;
          return multiply(columnsOf(D, position * K, K), tensor(tensors, name('compressor', i)));
        }),
      );
    }),
  );
}

interface Layer {
  readonly name: string;
  readonly matrix: Dense;
  readonly bias: Dense;
  readonly activation: Activation;
}

export function layersOf(shape: ReferenceShape, tensors: Tensors): Layer[] {
  const layers: Layer[] = [];
  const ends = tensors.has('input.weight');
  if (ends) {
    layers.push({
      name: 'input',
      matrix: tensor(tensors, 'input.weight'),
      bias: tensor(tensors, 'input.bias'),
      activation: shape.activation,
    });
  }
  for (let l = 0; l < shape.depth; l++) {
    const biases = Array.from({ length: shape.blocks }, (_, j) =>
      tensor(tensors, `layers.${l}.bias.${j}`),
    );
    layers.push({
      name: `layers.${l}`,
      matrix: denseHidden(shape, tensors, l),
      bias: stack(biases),
      activation: !ends && l === shape.depth - 1 ? 'identity' : shape.activation,
    });
  }
  if (ends) {
    layers.push({
      name: 'head',
      matrix: tensor(tensors, 'head.weight'),
      bias: tensor(tensors, 'head.bias'),
      activation: 'identity',
    });
  }
  return layers;
}

/**
 * Loss and gradients, by tensor name, of one batch.
 *
 * @param x [features, B]
 * @param y [targets, B], or [1, B] labels for cross-entropy
 */
export function lossAndGradients(shape: ReferenceShape, tensors: Tensors, x: Dense, y: Dense) {
  const layers = layersOf(shape, tensors);
  const inputs: Dense[] = [];
  const preActivations: Dense[] = [];
  let activation = x;
  for (const layer of layers) {
    inputs.push(activation);
    const product = multiply(layer.matrix, activation);
    const z = {
      ...product,
      data: product.data.map(
        (value, i) => value + layer.bias.data[Math.floor(i / product.columns)],
      ),
    };
    preActivations.push(z);
    activation = { ...z, data: z.data.map(REFERENCE_ACTIVATIONS[layer.activation].value) };
  }
  const { loss, gradient, correct } = referenceLoss(shape, activation, y);

  const gradients = new Map<string, Float64Array>();
  let dActivation = gradient;
  for (let l = layers.length - 1; l >= 0; l--) {
    const layer = layers[l];
    const z = preActivations[l];
    const derivative = REFERENCE_ACTIVATIONS[layer.activation].slope;
    const dz = {
      ...dActivation,
      data: dActivation.data.map((value, i) => value * derivative(z.data[i])),
    };
    layerGradients(shape, tensors, layer, inputs[l], dz, gradients);
    dActivation = multiply(transpose(layer.matrix), dz);
  }
  return { loss, correct, gradients, output: activation };
}

function layerGradients(
  shape: ReferenceShape,
  tensors: Tensors,
  layer: Layer,
  x: Dense,
  dz: Dense,
  gradients: Map<string, Float64Array>,
): void {
  const { width: N, blocks: P } = shape;
  const M = N / P;
  if (!layer.name.startsWith('layers.')) {
    gradients.set(`${layer.name}.weight`, multiply(dz, transpose(x)).data);
    gradients.set(`${layer.name}.bias`, rowSums(dz));
    return;
  }
  const dW = shape.strategy === 'phantom' ? null : multiply(dz, transpose(x));
  for (let j = 0; j < P; j++) {
    gradients.set(`${layer.name}.bias.${j}`, rowSums(rowsOf(dz, j * M, M)));
    if (dW === null) continue;
    const shard = tensor(tensors, `${layer.name}.weight.${j}`);
    const part = shard.columns === N ? rowsOf(dW, j * M, M) : columnsOf(dW, j * M, M);
    gradients.set(`${layer.name}.weight.${j}`, part.data);
  }
  if (dW === null) phantomGradients(shape, tensors, layer.name, x, dz, gradients);
}

/** The paper's equations, block by block. */
function phantomGradients(
  shape: ReferenceShape,
  tensors: Tensors,
  name: string,
  x: Dense,
  dz: Dense,
  gradients: Map<string, Float64Array>,
): void {
  const { width: N, blocks: P } = shape;
  const M = N / P;
  const K = shape.layerGhosts?.[Number(name.split('.')[1])] ?? shape.ghosts;
  const part = (m: Dense, j: number) => rowsOf(m, j * M, M);
  const C = (j: number) => tensor(tensors, `${name}.compressor.${j}`);
  const D = (j: number) => tensor(tensors, `${name}.decompressor.${j}`);
  const ghosts = stack(Array.from({ length: P }, (_, j) => multiply(C(j), part(x, j))));
  let h = zeros(P * K, x.columns);
  for (let j = 0; j < P; j++) {
    const sent = multiply(transpose(D(j)), part(dz, j));
    const own = zeros(K, x.columns);
    const rest = (P - 1 - j) * K;
    h = plus(h, stack([rowsOf(sent, 0, j * K), own, rowsOf(sent, j * K, rest)]));
  }
  for (let j = 0; j < P; j++) {
    const others = withoutRows(ghosts, j * K, K);
    const set = (what: string, gradient: Dense) =>
      gradients.set(`${name}.${what}.${j}`, gradient.data);
    set('local', multiply(part(dz, j), transpose(part(x, j))));
    set('decompressor', multiply(part(dz, j), transpose(others)));
    set('compressor', multiply(rowsOf(h, j * K, K), transpose(part(x, j))));
  }
}
