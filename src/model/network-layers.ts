import { ConfigError } from '../base/errors.js';
import { type Activation, ACTIVATIONS } from '../engines/activations.js';
import { shardedBias } from '../layers/bias-activation/parameters.js';
import type { BlockLayout } from '../layers/block-layout.js';
import type { LayerKind, LayerSizes, ParameterShape } from '../layers/kind.js';
import { kindsOf, type NetworkKinds } from '../layers/network-kinds.js';
import { ghostsOf, inputWidth, type NetworkSpecification, outputWidth } from './specification.js';

/** A linear layer of a network and what follows it. */
export interface NetworkLayer extends LayerSizes {
  readonly kind: LayerKind;
  readonly role: 'input' | 'hidden' | 'head';
  /** What is applied to the output, with the bias of a sharded one; null: nothing. */
  readonly activation: Activation | null;
}

/**
 * The linear layers of a network, in the order of the forward pass.
 *
 * @param kinds of the layers; default: those of the strategy
 * @throws ConfigError when a layer does not give what the next one takes
 */
export function networkLayers(
  specification: NetworkSpecification,
  kinds: NetworkKinds = kindsOf(specification.strategy, specification.depth),
): NetworkLayer[] {
  const { width, depth, blocks, ends, activation, ghostPrecision = 'float32' } = specification;
  const hidden = Array.from({ length: depth }, (_, l) => ({
    ...sizes(`layers.${l}`, width, width),
    role: 'hidden' as const,
    kind: kinds.hidden(l),
    ghosts: ghostsOf(specification, l),
  }));
  const whole = { storedWhole: true, ghosts: specification.ghosts };
  const [inputs, outputs] = [inputWidth(specification), outputWidth(specification)];
  const layers =
    ends.kind === 'sharded'
      ? hidden
      : [
          { ...sizes('input', inputs, width), ...whole, role: 'input' as const, kind: kinds.input },
          ...hidden,
          { ...sizes('head', width, outputs), ...whole, role: 'head' as const, kind: kinds.head },
        ];
  checkSpread(ends.kind, layers);
  let secondMoment = 1;
  return layers.map((layer, i) => {
    const isLast = i === layers.length - 1;
    const last = layer.kind.output === 'replicated' ? null : 'identity';
    const applied = isLast ? last : activation;
    const entering = secondMoment;
    if (applied !== null) ({ secondMoment } = ACTIVATIONS[applied]);
    return { ...layer, blocks, ghostPrecision, activation: applied, secondMoment: entering };
  });
}

function sizes(name: string, inputs: number, outputs: number) {
  return { name, inputs, outputs, storedWhole: false };
}

function checkSpread(
  ends: 'sharded' | 'replicated',
  layers: readonly { readonly name: string; readonly kind: LayerKind }[],
): void {
  let [given, by] = [ends, 'the data'];
  const check = (takes: string, name: string) => {
    if (takes === given) return;
    throw new ConfigError(
      'network',
      `${name} takes a ${takes} activation, ${by} gives a ${given} one; choose other kinds`,
    );
  };
  for (const { name, kind } of layers) {
    check(kind.input, `${name} (${kind.name})`);
    [given, by] = [kind.output, name];
  }
  check(ends, 'the loss');
}

/** The tensors of one block, in the order of checkpoints: the bias is the last. */
export function layerParameters(layer: NetworkLayer, block: number): ParameterShape[] {
  const own = layer.kind.parameters(layer, block);
  return layer.kind.output === 'sharded' ? [...own, shardedBias(layer, block)] : [...own];
}

/** Elements of each parameter of one rank, block after block. */
export function parameterSizes(
  layers: readonly NetworkLayer[],
  { firstBlock, blocksHere }: Pick<BlockLayout, 'firstBlock' | 'blocksHere'>,
): number[] {
  return Array.from({ length: blocksHere }, (_, j) =>
    layers.flatMap((layer) =>
      layerParameters(layer, firstBlock + j).map(({ shape }) =>
        shape.reduce((product, size) => product * size, 1),
      ),
    ),
  ).flat();
}
