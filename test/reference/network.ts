/**
 * A float64 feed-forward network by plain loops: phantom and dense forms, all losses. It shares
 * no code with the package, and knows it only through the names and shapes in checkpoints.
 */
import type { Activation } from '#src/engines/activations.js';
import { REFERENCE_ACTIVATIONS } from './activations.js';
import { dropoutFactor, type ReferenceDropout } from './dropout.js';
import { type LinearPass, linearPass } from './linear.js';
import { type ReferenceLoss, referenceLoss } from './losses.js';
import { biasOf, padded, type Tensors } from './layers.js';
import { type Dense, rowsOf } from './matrix.js';

export interface ReferenceShape extends ReferenceLoss {
  readonly depth: number;
  readonly blocks: number;
  readonly activation: Activation;
  /** On ghosts; left out: none. */
  readonly ghostActivation?: Activation | undefined;
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

interface Layer {
  readonly name: string;
  readonly bias: Dense;
  readonly activation: Activation;
}

export function layersOf({ depth, blocks, activation }: ReferenceShape, tensors: Tensors): Layer[] {
  const hidden = Array.from({ length: depth }, (_, l) => `layers.${l}`);
  const ends = tensors.has('input.bias') || tensors.has('input.bias.0');
  const names = ends ? ['input', ...hidden, 'head'] : hidden;
  return names.map((name, i) => ({
    name,
    bias: biasOf(tensors, name, blocks),
    activation: i === names.length - 1 ? 'identity' : activation,
  }));
}

/**
 * Loss and gradients, by tensor name, of one batch.
 *
 * @param x [features, B]
 * @param y [targets, B], or [1, B] labels for cross-entropy
 */
export function lossAndGradients(shape: ReferenceShape, tensors: Tensors, x: Dense, y: Dense) {
  const layers = layersOf(shape, tensors);
  const gradients = new Map<string, Float64Array>();
  const passes: LinearPass[] = [];
  const preActivations: Dense[] = [];
  // Features and answers that are split over blocks are filled up with zeros.
  let activation = x;
  for (const [l, layer] of layers.entries()) {
    const { name } = layer;
    const pass = linearPass(shape, tensors, { name, norm: false }, activation, gradients);
    passes.push(pass);
    const product = pass.z;
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
    dActivation = passes[l].back(dz);
  }
  return { loss, correct, gradients, output };
}
