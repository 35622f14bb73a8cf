/**
 * A float64 feed-forward network by plain loops: phantom and dense forms, all losses. It shares
 * no code with the package, and knows it only through the names and shapes in checkpoints.
 */
import type { Activation } from '#src/engines/activations.js';
import { REFERENCE_ACTIVATIONS } from './activations.js';
import { dropoutFactor, type ReferenceDropout } from './dropout.js';
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
  readonly depth: number;
  readonly blocks: number;
  readonly activation: Activation;
  /** Left out: nothing is dropped. */
  readonly drop?: ReferenceDropout;
}

/** What a layer gives, or its gradient, with some of it dropped. */
export function dropped({ drop }: Pick<ReferenceShape, 'drop'>, layer: number, a: Dense): Dense {
  if (drop === undefined) return a;
  const { columns } = a;
  const factor = (i: number) => dropoutFactor(drop, layer, Math.floor(i / columns), i % columns);
  return { ...a, data: a.data.map((value, i) => value * factor(i)) };
}

function tensor(tensors: Tensors, name: string): Dense {
  const found = tensors.get(name);
  if (found === undefined) throw new Error(`no tensor ${name}; have ${[...tensors.keys()].join()}`);
  return dense(found.shape[0], found.shape[1] ?? 1, found.values);
}

/** The tensors of all blocks that have one of this name. */
function shardsOf(tensors: Tensors, name: string, blocks: number): Dense[] {
  return Array.from({ length: blocks }, (_, j) => tensor(tensors, `${name}.${j}`));
}

/** The dense matrix that a layer is: whole, `weight` shards put together, or the phantom's. */
export function denseMatrix(tensors: Tensors, layer: string, blocks: number): Dense {
  if (tensors.has(`${layer}.weight`)) return tensor(tensors, `${layer}.weight`);
  if (!tensors.has(`${layer}.local.0`)) {
    const shards = shardsOf(tensors, `${layer}.weight`, blocks);
    return isSplitByColumns(tensors, layer, blocks) ? beside(shards) : stack(shards);
  }
  const locals = shardsOf(tensors, `${layer}.local`, blocks);
  const compressors = shardsOf(tensors, `${layer}.compressor`, blocks);
  const decompressors = shardsOf(tensors, `${layer}.decompressor`, blocks);
  const K = compressors[0].rows;
  return stack(
    decompressors.map((D, j) =>
      beside(
        compressors.map((C, i) => {
          if (i === j) return locals[j];
          const position = i < j ? i : i - 1;
          return multiply(columnsOf(D, position * K, K), C);
        }),
      ),
    ),
  );
}

/** Shards of a row-parallel layer have all rows of the output. */
function isSplitByColumns(tensors: Tensors, layer: string, blocks: number): boolean {
  const rows = stack(shardsOf(tensors, `${layer}.bias`, blocks)).rows;
  return blocks > 1 && tensor(tensors, `${layer}.weight.0`).rows === rows;
}

interface Layer {
  readonly name: string;
  readonly matrix: Dense;
  readonly bias: Dense;
  readonly activation: Activation;
}

export function layersOf({ depth, blocks, activation }: ReferenceShape, tensors: Tensors): Layer[] {
  const hidden = Array.from({ length: depth }, (_, l) => `layers.${l}`);
  const ends = tensors.has('input.bias') || tensors.has('input.bias.0');
  const names = ends ? ['input', ...hidden, 'head'] : hidden;
  return names.map((name, i) => ({
    name,
    matrix: denseMatrix(tensors, name, blocks),
    bias: biasOf(tensors, name, blocks),
    activation: i === names.length - 1 ? 'identity' : activation,
  }));
}

export function biasOf(tensors: Tensors, layer: string, blocks: number): Dense {
  const whole = tensors.has(`${layer}.bias`);
  const name = `${layer}.bias`;
  return whole ? tensor(tensors, name) : stack(shardsOf(tensors, name, blocks));
}

/** With rows of zeros below. */
export function padded(m: Dense, rows: number): Dense {
  return stack([m, zeros(rows - m.rows, m.columns)]);
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
  // Features and answers that are split over blocks are filled up with zeros.
  let activation = padded(x, layers[0].matrix.columns);
  for (const [l, layer] of layers.entries()) {
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
    if (l < layers.length - 1) activation = dropped(shape, l, activation);
  }
  // Of answers that are split, without what fills up the blocks.
  const isSplit = tensors.has('head.bias.0');
  const output = isSplit ? rowsOf(activation, 0, y.rows) : activation;
  const { loss, gradient, correct } = referenceLoss(shape, output, y);

  const gradients = new Map<string, Float64Array>();
  let dActivation = padded(gradient, activation.rows);
  for (let l = layers.length - 1; l >= 0; l--) {
    const layer = layers[l];
    const z = preActivations[l];
    if (l < layers.length - 1) dActivation = dropped(shape, l, dActivation);
    const derivative = REFERENCE_ACTIVATIONS[layer.activation].slope;
    const dz = {
      ...dActivation,
      data: dActivation.data.map((value, i) => value * derivative(z.data[i])),
    };
    layerGradients(shape, tensors, layer.name, inputs[l], dz, gradients);
    dActivation = multiply(transpose(layer.matrix), dz);
  }
  return { loss, correct, gradients, output };
}

export function layerGradients(
  { blocks: P }: Pick<ReferenceShape, 'blocks'>,
  tensors: Tensors,
  name: string,
  x: Dense,
  dz: Dense,
  gradients: Map<string, Float64Array>,
): void {
  if (tensors.has(`${name}.weight`)) {
    gradients.set(`${name}.weight`, multiply(dz, transpose(x)).data);
    gradients.set(`${name}.bias`, rowSums(dz));
    return;
  }
  const n = dz.rows / P;
  for (let j = 0; j < P; j++) gradients.set(`${name}.bias.${j}`, rowSums(rowsOf(dz, j * n, n)));
  if (tensors.has(`${name}.local.0`)) {
    phantomGradients(tensors, name, P, x, dz, gradients);
    return;
  }
  const dW = multiply(dz, transpose(x));
  const m = x.rows / P;
  for (let j = 0; j < P; j++) {
    const part = isSplitByColumns(tensors, name, P)
      ? columnsOf(dW, j * m, m)
      : rowsOf(dW, j * n, n);
    gradients.set(`${name}.weight.${j}`, part.data);
  }
}

/** The paper's equations, block by block. */
function phantomGradients(
  tensors: Tensors,
  name: string,
  P: number,
  x: Dense,
  dz: Dense,
  gradients: Map<string, Float64Array>,
): void {
  const part = (whole: Dense, j: number) => rowsOf(whole, (j * whole.rows) / P, whole.rows / P);
  const C = (j: number) => tensor(tensors, `${name}.compressor.${j}`);
  const D = (j: number) => tensor(tensors, `${name}.decompressor.${j}`);
  const K = C(0).rows;
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
