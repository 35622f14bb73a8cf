import { ConfigError } from '../base/errors.js';
import { type Activation, ACTIVATIONS } from '../engines/activations.js';
import { activationPart } from '../layers/bias-activation/part.js';
import { dropoutPart } from '../layers/dropout/part.js';
import { gatedPart } from '../layers/gated/part.js';
import type { LayerOutline, LayerSizes, Spread } from '../layers/outline.js';
import { type KindChoice, outlinesOf } from '../layers/kind-choice.js';
import type { LayerPart } from '../layers/part.js';
import { roundedPart } from '../layers/rounded/part.js';
import { residualPart } from '../layers/residual/part.js';
import { rmsNormPart } from '../layers/rms-norm/part.js';
import { joinPart, splitPart } from '../layers/spread/part.js';
import { STRATEGIES } from '../layers/strategies.js';
import { inputEdge, outputEdge } from './edges.js';
import {
  ghostPrecisionOf,
  ghostsOf,
  type NetworkSpecification,
  type ResidualBlocks,
  widthsOf,
} from './specification.js';

/** A linear layer of a network, with what stands before and after it. */
export interface NetworkLayer<K extends LayerOutline = LayerOutline> extends LayerSizes {
  readonly kind: K;
  readonly role: 'input' | 'hidden' | 'head';
  /** What is applied to the output, with the bias of a sharded one; null: nothing. */
  readonly activation: Activation | null;
  /** Whether it gives two halves, one of which is multiplied by the activation of the other. */
  readonly gated: boolean;
  /** Whether a residual block begins with it: its end adds what enters `before`. */
  readonly opensBlock: boolean;
  /** Whether one ends with it. */
  readonly closesBlock: boolean;
  /** Before that. */
  readonly enter: readonly LayerPart[];
  readonly before: readonly LayerPart[];
  readonly after: readonly LayerPart[];
}

/** Of a layer that no residual block has. */
const ALONE = {
  gated: false,
  opensBlock: false,
  closesBlock: false,
  enter: [],
  before: [],
  normalized: false,
} as const;

/** The linear layers of a network of its strategy's kinds, in the order of the forward pass. */
export function networkLayers(specification: NetworkSpecification): NetworkLayer[] {
  const { strategy, depth } = specification;
  return layersOfKinds(specification, outlinesOf(strategy, depth, specification));
}

/**
 * The linear layers of a network of these kinds, in the order of the forward pass.
 *
 * @throws ConfigError when a layer does not give what the next one takes
 */
export function layersOfKinds<K extends LayerOutline>(
  specification: NetworkSpecification,
  kinds: KindChoice<K>,
): NetworkLayer<K>[] {
  if (specification.residual !== undefined) {
    return residualLayers(specification, specification.residual, kinds);
  }
  const { depth, blocks, ends, activation, dropout = 0 } = specification;
  const exchange = exchangeOf(specification);
  const widths = widthsOf(specification);
  const hidden = Array.from({ length: depth }, (_, l) => ({
    ...sizes(`layers.${l}`, widths[l] ?? 0, widths[l + 1] ?? 0),
    role: 'hidden' as const,
    kind: kinds.hidden(l),
    ghosts: ghostsOf(specification, l),
  }));
  const [entering, leaving] = [inputEdge(specification), outputEdge(specification)];
  const end = <R extends 'input' | 'head'>(role: R, inputs: number, outputs: number) => ({
    ...endSizes(specification, role, inputs, outputs),
    kind: kinds[role],
  });
  const layers =
    ends.kind === 'sharded'
      ? hidden
      : [
          end('input', entering.padded, widths[0] ?? 0),
          ...hidden,
          end('head', widths.at(-1) ?? 0, leaving.padded),
        ];
  const data = { name: 'the data', spread: entering.spread };
  checkSpread(data, { name: 'the loss', spread: leaving.spread }, layers);
  // Of data one; zeros that fill up the blocks lower the mean.
  let secondMoment = entering.width / entering.padded;
  return layers.map((layer, i) => {
    const isLast = i === layers.length - 1;
    const last = layer.kind.output === 'replicated' ? null : 'identity';
    const applied = isLast ? last : activation;
    const given = secondMoment;
    if (applied !== null) secondMoment = momentAfter(applied, isLast ? 0 : dropout);
    const common = { blocks, ...exchange, secondMoment: given, outputVariance: 1 };
    const whole = { ...layer, ...ALONE, ...common, activation: applied };
    const before = i === 0 ? roundedParts(layer.name, whole, 'inputs') : [];
    if (applied === null) return { ...whole, before, after: [] };
    const taker = isLast || dropout > 0 ? 'other' : 'products';
    const after = [activationPart(whole, applied, layer.kind.output, taker)];
    if (!isLast && dropout > 0) {
      after.push(...dropoutParts(whole, dropout, i));
      after.push(...roundedParts(`${layer.name}.dropout`, whole, 'outputs'));
    }
    return { ...whole, before, after };
  });
}

/**
 * The layers of x ← x + down(dropout(φ(up(norm(x))))), L times, between `input` and `head`. The stream x is
 * sharded over blocks, and up and down are of the strategy's kind; or it is replicated, up is
 * column-parallel and down row-parallel. `down` starts with outputs of variance 1/(2L), so that the
 * stream grows from variance 1 to 1.5. Gated, up gives two halves, and φ of the first times the second
 * takes the place of φ; of independent halves of variance 1 its mean square is that of φ.
 */
function residualLayers<K extends LayerOutline>(
  specification: NetworkSpecification,
  { norm, expansion, gated = false }: ResidualBlocks,
  kinds: KindChoice<K>,
): NetworkLayer<K>[] {
  const { depth: L, width: N, blocks, ends, activation, strategy } = specification;
  const { dropout = 0 } = specification;
  const { stream } = STRATEGIES[strategy].block;
  const { up, down } = kinds.block;
  const between = { name: 'the stream of the blocks', spread: stream };
  checkSpread(between, between, [
    { name: 'up', kind: up },
    { name: 'down', kind: down },
  ]);
  const isNormed = norm === 'rms';
  const isWhole = stream === 'replicated';
  const [entering, leaving] = [inputEdge(specification), outputEdge(specification)];
  const exchange = exchangeOf(specification);
  const common = { blocks, ...exchange, outputVariance: 1 };
  // A norm's statistics travel in float32: with ghosts and products in that, else by themselves. So
  // they do where a function on the ghosts has to take what is divided.
  const isFloat = exchange.compute === 'float32' && exchange.ghostPrecision === 'float32';
  const ridesAlong = isNormed && !isWhole && isFloat && exchange.ghostActivation === null;
  const normBefore = (layer: string, rides: boolean) =>
    isNormed && !rides ? [rmsNormPart(layer, N, stream)] : [];
  const splitAtEnd = (layer: string) => (isWhole ? [splitPart(layer, N)] : []);
  const inner = N * expansion;
  // What a gate and dropout give is float32.
  const isRounded = gated || dropout > 0;
  const hasEnds = ends.kind === 'replicated';
  const layers = Array.from({ length: L }, (_, l): NetworkLayer<K>[] => {
    const [upName, downName] = [`layers.${l}.up`, `layers.${l}.down`];
    const block = { ...common, role: 'hidden' as const, ghosts: ghostsOf(specification, l) };
    const upSizes = { ...block, ...sizes(upName, N, gated ? 2 * inner : inner), kind: up };
    const downSizes = { ...block, ...sizes(downName, inner, N), kind: down };
    const isLast = l === L - 1 && !hasEnds;
    const insideSizes = { ...upSizes, outputs: inner };
    return [
      {
        ...upSizes,
        activation,
        secondMoment: isNormed ? 1 : 1 + l / (2 * L),
        normalized: ridesAlong,
        gated,
        opensBlock: true,
        closesBlock: false,
        enter: l === 0 && !hasEnds && isWhole ? [joinPart(upName, N)] : [],
        before: [...normBefore(upName, ridesAlong), ...roundedParts(upName, upSizes, 'inputs')],
        after: [
          gated
            ? gatedPart(upSizes, activation)
            : activationPart(upSizes, activation, up.output, isRounded ? 'other' : 'products'),
          ...dropoutParts(insideSizes, dropout, (hasEnds ? 1 : 0) + 2 * l),
          ...(isRounded ? roundedParts(`${upName}.inside`, insideSizes, 'outputs') : []),
        ],
      },
      {
        ...downSizes,
        ...ALONE,
        closesBlock: true,
        activation: null,
        secondMoment: momentAfter(activation, dropout),
        outputVariance: 1 / (2 * L),
        after: [residualPart(downSizes, down.output), ...(isLast ? splitAtEnd(downName) : [])],
      },
    ];
  }).flat();
  if (!hasEnds) return layers;
  const input = {
    ...endSizes(specification, 'input', entering.padded, N),
    ...common,
    kind: kinds.input,
  };
  const head = {
    ...endSizes(specification, 'head', N, leaving.padded),
    ...common,
    kind: kinds.head,
  };
  // A head that exchanges something has its statistics ride along.
  const rides = ridesAlong && kinds.head.output === 'sharded';
  const isSharded = kinds.head.output === 'sharded';
  return [
    {
      ...input,
      ...ALONE,
      activation: 'identity',
      secondMoment: entering.width / entering.padded,
      before: roundedParts('input', input, 'inputs'),
      after: [
        activationPart(input, 'identity', kinds.input.output, 'other'),
        ...(isWhole ? [joinPart('input', N)] : []),
      ],
    },
    ...layers,
    {
      ...head,
      ...ALONE,
      activation: isSharded ? 'identity' : null,
      secondMoment: isNormed ? 1 : 1.5,
      normalized: rides,
      before: [
        ...normBefore('head', rides),
        ...splitAtEnd('head'),
        ...roundedParts('head', head, 'inputs'),
      ],
      after: isSharded ? [activationPart(head, 'identity', 'sharded', 'other')] : [],
    },
  ];
}

/** The mean square of an activation of N(0, 1), of which a share is dropped and the rest scaled. */
function momentAfter(activation: Activation, dropout: number): number {
  return ACTIVATIONS[activation].secondMoment / (1 - dropout);
}

/** @param layer its place in the network */
function dropoutParts(
  of: Pick<NetworkLayer, 'name' | 'outputs' | 'blocks' | 'kind'>,
  rate: number,
  layer: number,
): LayerPart[] {
  return rate === 0 ? [] : [dropoutPart(of, of.kind.output, { rate, layer })];
}

/** Rounds what enters a layer, or leaves it, where products take bfloat16. */
function roundedParts(
  name: string,
  {
    kind,
    blocks,
    compute,
    ...widths
  }: Pick<NetworkLayer, 'kind' | 'blocks' | 'compute' | 'inputs' | 'outputs'>,
  which: 'inputs' | 'outputs',
): LayerPart[] {
  const spread = which === 'inputs' ? kind.input : kind.output;
  return compute === 'float32' ? [] : [roundedPart(name, { rows: widths[which], blocks }, spread)];
}

function endSizes<R extends 'input' | 'head'>(
  { ghosts, blocks, ...ends }: NetworkSpecification,
  role: R,
  inputs: number,
  outputs: number,
) {
  return {
    ...sizes(role, inputs, outputs),
    role,
    storedWhole: ends[role] === undefined,
    // More than the width of a block that they come from would say nothing more.
    ghosts: Math.min(ghosts, inputs / blocks),
  };
}

/** What all layers of a network have alike. */
function exchangeOf(specification: NetworkSpecification) {
  const { compute = 'float32', ghostActivation = null } = specification;
  return { ghostPrecision: ghostPrecisionOf(specification), ghostActivation, compute };
}

function sizes(name: string, inputs: number, outputs: number) {
  return { name, inputs, outputs, storedWhole: false };
}

/** What gives an activation, or takes the last one. */
interface Given {
  readonly name: string;
  readonly spread: Spread;
}

function checkSpread(
  entering: Given,
  leaving: Given,
  layers: readonly { readonly name: string; readonly kind: LayerOutline }[],
): void {
  let given = entering;
  const check = (takes: string, name: string) => {
    if (takes === given.spread) return;
    throw new ConfigError(
      'network',
      `${name} takes a ${takes} activation, ${given.name} gives a ${given.spread} one; choose other kinds`,
    );
  };
  for (const { name, kind } of layers) {
    check(kind.input, `${name} (${kind.name})`);
    given = { name, spread: kind.output };
  }
  check(leaving.spread, leaving.name);
}
