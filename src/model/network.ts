import type { Operator, OperatorCost } from '../autograd/operator.js';
import {
  type OperatorRunner,
  Parameter,
  type ParameterSlice,
  type Variable,
} from '../autograd/tape.js';
import type { Engine } from '../engines/engine.js';
import { ShapeError } from '../base/errors.js';
import { BiasActivation } from '../layers/bias-activation.js';
import { type BlockLayout, blockLayout, range } from '../layers/block-layout.js';
import { ColumnLinear } from '../layers/column/operator.js';
import { GatherLinear } from '../layers/gather/operator.js';
import { PhantomLinear } from '../layers/phantom/operator.js';
import { RowLinear } from '../layers/row/operator.js';
import {
  ACTIVATION_SECOND_MOMENT,
  type InitialDraw,
  initialize,
  weightVariances,
} from './initialization.js';
import {
  ghostsOf,
  hiddenKind,
  type NetworkSpecification,
  validateRanks,
  validateSpecification,
} from './specification.js';

/** A linear operator whose matrix products and traffic are known in advance. */
interface CountedOperator extends Operator {
  cost(columns: number, inputNeedsGradient: boolean): OperatorCost;
}

interface Stage {
  readonly operator: Operator;
  readonly linear: CountedOperator | null;
  readonly parameters: readonly Parameter[];
}

/** The rank's part of a feed-forward network. */
export class FeedForward {
  readonly specification: NetworkSpecification;
  readonly layout: BlockLayout;
  /** The rank's parameters: block after block, in the order of the layers. */
  readonly parameters: readonly Parameter[];
  readonly #stages: readonly Stage[];
  readonly #draws: ReadonlyMap<Parameter, InitialDraw>;

  constructor(
    specification: NetworkSpecification,
    layout: BlockLayout,
    stages: readonly Stage[],
    draws: ReadonlyMap<Parameter, InitialDraw>,
  ) {
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
    for (const [parameter, draw] of this.#draws) initialize(parameter, draw, seed);
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
      if (!(operator instanceof PhantomLinear)) continue;
      // More than the largest is for the operator to refuse.
      operator.ghostsInUse = count > ghosts ? count : Math.min(count, operator.ghosts);
      found = true;
    }
    if (!found) throw new ShapeError('network', `${count} ghosts in use; this network has none`);
  }

  /**
   * @param x [inputs, B], the same on every rank; or the rank's rows [blocksHere·M, B] of a
   *   sharded input
   * @returns [outputs, B], the same on every rank; or the rank's rows of a sharded output
   */
  forward(runner: OperatorRunner, x: Variable): Variable {
    let activation = x;
    for (const { operator, parameters } of this.#stages) {
      activation = runner.apply(operator, activation, ...parameters);
    }
    return activation;
  }

  /**
   * The parameters of each linear layer with its bias, in the order in which a backward pass
   * finishes their gradients: those of a layer are complete after `operator`.
   */
  layersBackward(): { operator: Operator; parameters: readonly Parameter[] }[] {
    const layers: { operator: Operator; parameters: Parameter[] }[] = [];
    for (const { operator, linear, parameters } of this.#stages) {
      if (linear) layers.push({ operator, parameters: [...parameters] });
      else layers.at(-1)?.parameters.push(...parameters);
    }
    return layers.toReversed();
  }

  /** Work and traffic of this rank in one pass over `columns` samples, by linear layer. */
  costs(columns: number, inputNeedsGradient = false): { name: string; cost: OperatorCost }[] {
    return this.#stages
      .flatMap(({ linear }) => (linear ? [linear] : []))
      .map((linear, i) => ({
        name: linear.name,
        cost: linear.cost(columns, i > 0 || inputNeedsGradient),
      }));
  }
}

/**
 * Plans the part of a network that one rank holds, and allocates its parameters.
 *
 * @throws ConfigError when the sizes do not fit one another or the ranks
 */
export function buildNetwork(
  specification: NetworkSpecification,
  engine: Engine,
  ranks: { readonly rank: number; readonly size: number },
): FeedForward {
  validateSpecification(specification);
  validateRanks(specification.blocks, ranks.size);
  return new NetworkBuilder(specification, engine, ranks).build();
}

class NetworkBuilder {
  readonly #specification: NetworkSpecification;
  readonly #engine: Engine;
  readonly #layout: BlockLayout;
  /** M */
  readonly #blockWidth: number;
  readonly #stages: Stage[] = [];
  readonly #draws = new Map<Parameter, InitialDraw>();
  /** Second moment of what enters the next linear layer. */
  #moment = 1;

  constructor(
    specification: NetworkSpecification,
    engine: Engine,
    ranks: { readonly rank: number; readonly size: number },
  ) {
    this.#specification = specification;
    this.#engine = engine;
    this.#layout = blockLayout(specification.blocks, ranks.size, ranks.rank);
    this.#blockWidth = specification.width / specification.blocks;
  }

  build(): FeedForward {
    const { ends, depth } = this.#specification;
    if (ends.kind === 'replicated') this.#input(ends.inputs);
    for (let layer = 0; layer < depth; layer++) {
      this.#hidden(layer, ends.kind === 'sharded' && layer === depth - 1);
    }
    if (ends.kind === 'replicated') this.#head(ends.outputs);
    return new FeedForward(this.#specification, this.#layout, this.#stages, this.#draws);
  }

  #input(features: number): void {
    const { width } = this.#specification;
    const M = this.#blockWidth;
    const operator = new ColumnLinear('input', this.#layout, M, features);
    const weights = this.#perBlock((block) =>
      this.#parameter('input.weight', block, [M, features], {
        draw: { stream: 'input.weight', variance: 1 / features, row: block * M, columns: features },
        slice: { shape: [width, features], row: block * M, column: 0 },
      }),
    );
    const biases = this.#perBlock((block) =>
      this.#parameter('input.bias', block, [M], {
        slice: { shape: [width], row: block * M, column: 0 },
      }),
    );
    this.#linear(operator, weights);
    this.#activate('input', biases, false);
  }

  #hidden(layer: number, isLast: boolean): void {
    const name = `layers.${layer}`;
    const kind = hiddenKind(this.#specification, layer);
    const M = this.#blockWidth;
    const biases = this.#perBlock((block) => this.#parameter(`${name}.bias.${block}`, block, [M]));
    switch (kind) {
      case 'phantom':
        this.#phantom(name, ghostsOf(this.#specification, layer));
        break;
      case 'gather':
        this.#linear(new GatherLinear(name, this.#layout, M), this.#denseBlocks(name, 'rows'));
        break;
      case 'column': {
        const { width } = this.#specification;
        this.#linear(
          new ColumnLinear(name, this.#layout, M, width),
          this.#denseBlocks(name, 'rows'),
        );
        break;
      }
      case 'row': {
        const { width } = this.#specification;
        const rows = this.#perBlock((block) => ({ from: block * M, count: M }));
        const operator = new RowLinear(name, this.#layout, M, width, rows);
        this.#linear(operator, [...this.#denseBlocks(name, 'columns'), ...biases]);
      }
    }
    this.#activate(name, kind === 'row' ? [] : biases, isLast);
  }

  #phantom(name: string, K: number): void {
    const { blocks, ghostPrecision } = this.#specification;
    const M = this.#blockWidth;
    const variances = weightVariances(this.#specification, this.#moment, K);
    const part = (what: 'local' | 'compressor' | 'decompressor', shape: [number, number]) =>
      this.#perBlock((block) => {
        const stream = `${name}.${what}.${block}`;
        const draw = { stream, variance: variances[what], columns: shape[1] };
        return this.#parameter(stream, block, shape, { draw });
      });
    this.#linear(new PhantomLinear(name, this.#layout, M, K, ghostPrecision), [
      ...part('local', [M, M]),
      ...part('compressor', [K, M]),
      ...part('decompressor', [M, (blocks - 1) * K]),
    ]);
  }

  /** Rows or columns of a dense N × N matrix, whose numbers do not depend on how it is split. */
  #denseBlocks(name: string, split: 'rows' | 'columns'): Parameter[] {
    const { width: N } = this.#specification;
    const M = this.#blockWidth;
    const variance = weightVariances(this.#specification, this.#moment).dense;
    const shape = split === 'rows' ? [M, N] : [N, M];
    return this.#perBlock((block) => {
      const place = split === 'rows' ? { row: block * M } : { column: block * M };
      const draw = { stream: `${name}.weight`, variance, ...place, columns: N };
      return this.#parameter(`${name}.weight.${block}`, block, shape, { draw });
    });
  }

  /** Block 0 adds the head's bias: it enters the sum once. */
  #head(outputs: number): void {
    const { width: N } = this.#specification;
    const M = this.#blockWidth;
    const variance = weightVariances(this.#specification, this.#moment).dense;
    const weights = this.#perBlock((block) =>
      this.#parameter('head.weight', block, [outputs, M], {
        draw: { stream: 'head.weight', variance, column: block * M, columns: N },
        slice: { shape: [outputs, N], row: 0, column: block * M },
      }),
    );
    const bias = this.#layout.firstBlock === 0 ? [this.#parameter('head.bias', 0, [outputs])] : [];
    const rows = this.#perBlock((block) => (block === 0 ? { from: 0, count: outputs } : null));
    const operator = new RowLinear('head', this.#layout, M, outputs, rows);
    this.#linear(operator, [...weights, ...bias]);
  }

  #linear(operator: CountedOperator, parameters: readonly Parameter[]): void {
    this.#stages.push({ operator, linear: operator, parameters });
  }

  #activate(name: string, biases: readonly Parameter[], isLast: boolean): void {
    const activation = isLast ? 'identity' : this.#specification.activation;
    const operator = new BiasActivation(`${name}.${activation}`, activation);
    this.#stages.push({ operator, linear: null, parameters: biases });
    this.#moment = ACTIVATION_SECOND_MOMENT[activation];
  }

  #perBlock<T>(make: (block: number) => T): T[] {
    return range(this.#layout.blocksHere).map((j) => make(this.#layout.firstBlock + j));
  }

  #parameter(
    name: string,
    block: number,
    shape: readonly number[],
    options: {
      draw?: { stream: string; variance: number; row?: number; column?: number; columns: number };
      slice?: ParameterSlice;
    } = {},
  ): Parameter {
    const parameter = new Parameter(this.#engine, name, block, shape, options.slice ?? null);
    const draw = options.draw ?? { stream: name, variance: 0, columns: 1 };
    this.#draws.set(parameter, { row: 0, column: 0, ...draw });
    return parameter;
  }
}
