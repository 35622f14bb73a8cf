import type { Operator } from '../autograd/operator.js';
import { type OperatorRunner, Parameter, type Variable } from '../autograd/tape.js';
import { ShapeError } from '../base/errors.js';
import type { Engine } from '../engines/engine.js';
import { shardedBias } from '../layers/bias-activation/parameters.js';
import { type BlockLayout, blockLayout, range } from '../layers/block-layout.js';
import type { LayerCost } from '../layers/cost.js';
import type { DropoutDraws } from '../layers/dropout/draws.js';
import { Dropout } from '../layers/dropout/operator.js';
import { hasGhosts } from '../layers/kind.js';
import type { ParameterShape } from '../layers/outline.js';
import { parameterName } from '../layers/matrix-shards.js';
import { kindsOf, type NetworkKinds } from '../layers/network-kinds.js';
import type { LayerPart } from '../layers/part.js';
import { partOperator } from '../layers/part-operators.js';
import type { Remade } from '../autograd/remade.js';
import type { OperationList } from '../layers/operation-list.js';
import { workOf } from './layer-work.js';
import {
  listAgain,
  remadeLayer,
  remadeMemory,
  type RemadeMemorySizes,
  remadeParts,
} from './remade-parts.js';
import { type InitialDraw, initialize } from './initialization.js';
import { layersOfKinds, type NetworkLayer } from './network-layers.js';
import {
  type NetworkSpecification,
  validateRanks,
  validateSpecification,
} from './specification.js';

interface Stage {
  readonly operator: Operator;
  /** Null: what stands before or after a linear layer. */
  readonly layer: NetworkLayer | null;
  readonly parameters: readonly Parameter[];
  /** Whether a residual block begins here, and whether it ends here. */
  readonly opens: boolean;
  readonly joins: boolean;
  /** null: what it makes is kept for the backward pass. */
  readonly remade: Remade | null;
}

interface NetworkParts {
  readonly specification: NetworkSpecification;
  readonly layout: BlockLayout;
  readonly stages: readonly Stage[];
  readonly draws: ReadonlyMap<Parameter, InitialDraw>;
}

/** The rank's part of a feed-forward network. */
export class FeedForward {
  readonly specification: NetworkSpecification;
  readonly layout: BlockLayout;
  /** The rank's parameters: block after block, in the order of the layers. */
  readonly parameters: readonly Parameter[];
  readonly #stages: readonly Stage[];
  readonly #draws: ReadonlyMap<Parameter, InitialDraw>;

  /** @internal */
  constructor({ specification, layout, stages, draws }: NetworkParts) {
    this.specification = specification;
    this.layout = layout;
    this.#stages = stages;
    this.#draws = draws;
    this.parameters = stages
      .flatMap((stage) => stage.parameters)
      .toSorted((a, b) => a.block - b.block);
  }

  /** Draws the initial weights; they depend on the seed and each tensor's name alone. */
  initialize(seed: number): void {
    for (const [parameter, draw] of this.#draws) {
      initialize(parameter, draw, seed);
      parameter.rounded();
    }
  }

  /**
   * Makes passes from now on use the first `count` ghosts of every block: 1 … K; layers that have
   * fewer use theirs. Weights stay where they are, and nothing is copied. `costs` speaks of these
   * passes.
   *
   * @throws ShapeError outside 1 … K, or for a network without ghosts
   */
  useGhosts(count: number): void {
    const { ghosts } = this.specification;
    let found = false;
    for (const { operator } of this.#stages) {
      if (!hasGhosts(operator)) continue;
      // More than the largest is for the operator to refuse.
      operator.ghostsInUse = count > ghosts ? count : Math.min(count, operator.ghosts);
      found = true;
    }
    if (!found) throw new ShapeError('network', `${count} ghosts in use; this network has none`);
  }

  /**
   * Makes passes from now on drop what these draws say, as they are when a pass is made; null: nothing,
   * as at first.
   */
  useDropout(draws: DropoutDraws | null): void {
    for (const { operator } of this.#stages) {
      if (operator instanceof Dropout) operator.draws = draws;
    }
  }

  /**
   * Applies the network's operators.
   *
   * @param x [inputs, B], the same on every rank; or the rank's rows [blocksHere·M, B] of a
   *   sharded input
   * @returns [outputs, B], the same on every rank; or the rank's rows of a sharded output
   */
  forward(runner: OperatorRunner, x: Variable): Variable {
    let activation = x;
    let entered = x;
    for (const [i, { operator, parameters, opens, joins, remade }] of this.#stages.entries()) {
      runner.remake(remade);
      if (opens) entered = activation;
      const inputs = joins ? [activation, entered] : [activation];
      const isKept = this.#stages[i + 1]?.opens ?? false;
      activation = isKept
        ? runner.applyKept(operator, ...inputs, ...parameters)
        : runner.apply(operator, ...inputs, ...parameters);
    }
    runner.remake(null);
    return activation;
  }

  /**
   * The parameters of each linear layer with its bias, in the order in which a backward pass
   * finishes their gradients: those of a layer are complete after `operator`.
   */
  layersBackward(): { operator: Operator; parameters: readonly Parameter[] }[] {
    const layers: { operator: Operator; parameters: Parameter[] }[] = [];
    for (const { operator, layer, parameters } of this.#stages) {
      if (layer) layers.push({ operator, parameters: [...parameters] });
      else layers.at(-1)?.parameters.push(...parameters);
    }
    return layers.toReversed();
  }

  /** Work and traffic of this rank in one pass over `columns` samples, by linear layer. */
  costs(columns: number, inputNeedsGradient = false): { name: string; cost: LayerCost }[] {
    const { layout, specification } = this;
    const layers = this.#stages.flatMap(({ layer }) => (layer ? [layer] : []));
    const again = new Map(
      remadeParts(layers, specification)
        .filter(({ isMadeAgain }) => isMadeAgain)
        .flatMap((part) => part.layers.map((i) => [i, i === part.layers.at(-1)])),
    );
    return this.#stages
      .flatMap(({ layer, operator }) => (layer ? [{ layer, operator }] : []))
      .map(({ layer, operator }, i) => {
        const inUse = hasGhosts(operator) ? { ...layer, ghosts: operator.ghostsInUse } : layer;
        const place = { layout, columns, inputNeedsGradient: i > 0 || inputNeedsGradient };
        const closes = again.get(i);
        const more = (list: OperationList) =>
          closes === undefined ? undefined : listAgain(inUse, list, closes);
        return { name: layer.name, cost: workOf(inUse, place, more) };
      });
  }
}

/**
 * Plans the part of a network that one rank holds, and allocates its parameters.
 *
 * @param ranks the rank and how many there are, such as a `Communicator`
 * @throws ConfigError when the sizes do not fit one another or the ranks
 */
export function buildNetwork(
  specification: NetworkSpecification,
  engine: Engine,
  ranks: { readonly rank: number; readonly size: number },
  options: NetworkOptions = {},
): FeedForward {
  validateSpecification(specification);
  validateRanks(specification.blocks, ranks.size);
  const { strategy, depth } = specification;
  const { kinds = kindsOf(strategy, depth, specification) } = options;
  const layers = layersOfKinds(specification, kinds);
  const layout = blockLayout(specification.blocks, ranks.size, ranks.rank);
  const draws = new Map<Parameter, InitialDraw>();
  const stages: Stage[] = [];
  const remadeOf = remadeStages(layers, specification, layout);
  for (const [place, layer] of layers.entries()) {
    const remade = remadeOf(place);
    const make = (of: (block: number) => readonly ParameterShape[]) =>
      makeParameters({ layer, layout, engine, draws }, of);
    const part = (of: LayerPart, opens = false): Stage => ({
      operator: partOperator(of, layout),
      layer: null,
      parameters: of.takesBias ? make((block) => [shardedBias(layer, block)]) : [],
      opens,
      joins: of.joins,
      remade: remade(of),
    });
    const { enter, before, after, opensBlock } = layer;
    stages.push(...enter.map((of) => part(of)));
    stages.push(...before.map((of, i) => part(of, opensBlock && i === 0)));
    stages.push({
      operator: layer.kind.operator(layer, layout),
      layer,
      parameters: make((block) => layer.kind.parameters(layer, block)),
      opens: opensBlock && before.length === 0,
      joins: false,
      remade: remade(null),
    });
    stages.push(...after.map((of) => part(of)));
  }
  return new FeedForward({ specification, layout, stages, draws });
}

/** @returns of a layer's place, and of a part of it (null: the layer itself), how it is made again */
function remadeStages(
  layers: readonly NetworkLayer[],
  specification: NetworkSpecification,
  layout: BlockLayout,
): (i: number) => (of: LayerPart | null) => Remade | null {
  const parts = remadeParts(layers, specification);
  const partOf = new Map(parts.flatMap((part) => part.layers.map((i) => [i, part] as const)));
  // Asked of every operator: found once for each number of columns.
  const shared = new Map<number, RemadeMemorySizes['sharedBytes']>();
  const sharedOf = (columns: number) => {
    const known = shared.get(columns);
    if (known !== undefined) return known;
    const { sharedBytes } = remadeMemory(layers, parts, { layout, columns });
    shared.set(columns, sharedBytes);
    return sharedBytes;
  };
  return (i) => {
    const own = partOf.get(i);
    if (own === undefined) return () => null;
    const { part } = own;
    const closes = i === own.layers.at(-1);
    const { before, after, afterAgain, savedOnly } = remadeLayer(layers[i] as NetworkLayer, closes);
    const sharedBytes = (columns: number): number => sharedOf(columns)[(part % 2) as 0 | 1];
    return (of) => {
      if (of === null) {
        return { part, closes: false, again: savedOnly ? 'saved' : 'all', sharedBytes };
      }
      const at = after.indexOf(of);
      if (at < 0 && !before.includes(of)) return null;
      const again = at < afterAgain ? 'all' : 'no';
      return { part, closes: closes && at === after.length - 1, again, sharedBytes };
    };
  };
}

/** How a network is built. */
export interface NetworkOptions {
  /** The kind of every linear layer; default: those of the strategy, `kindsOf`. */
  readonly kinds?: NetworkKinds;
}

interface ParameterOwner {
  readonly layer: NetworkLayer;
  readonly layout: BlockLayout;
  readonly engine: Engine;
  readonly draws: Map<Parameter, InitialDraw>;
}

/** Allocates the rank's tensors: the first of every block, the second of every block, … */
function makeParameters(
  { layer, layout, engine, draws }: ParameterOwner,
  of: (block: number) => readonly ParameterShape[],
): Parameter[] {
  const made = range(layout.blocksHere).flatMap((j) => {
    const block = layout.firstBlock + j;
    return of(block).map((shape, order) => {
      const name = parameterName(layer, shape, block);
      const { place, variance } = shape;
      const isWhole = place === null || place.shape.join() === shape.shape.join();
      const slice = layer.storedWhole && !isWhole ? place : null;
      const compute = shape.shape.length > 1 ? layer.compute : 'float32';
      const parameter = new Parameter(engine, {
        name,
        block,
        shape: shape.shape,
        slice,
        compute,
      });
      const { row, column } = place ?? { row: 0, column: 0 };
      const stream = place === null ? name : `${layer.name}.${shape.part}`;
      const columns = (place ?? shape).shape[1] ?? 1;
      draws.set(parameter, { stream, variance, row, column, columns });
      return { parameter, order };
    });
  });
  return made.toSorted((a, b) => a.order - b.order).map(({ parameter }) => parameter);
}
