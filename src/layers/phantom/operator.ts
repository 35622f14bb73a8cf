import type { OperatorContext } from '../../autograd/operator.js';
import type { PendingCollective } from '../../communicators/communicator.js';
import { PHASE } from '../../base/phases.js';
import { ShapeError } from '../../base/errors.js';
import {
  type AnyTensor,
  asMatrix,
  type Bytes,
  bytesOf,
  float32,
  matrixColumns,
  matrixRows,
  type Matrix,
  type Tensor,
  tensorRows,
} from '../../tensor/tensor.js';
import { type BlockLayout, range } from '../block-layout.js';
import { GhostActivation } from './ghost-activation.js';
import {
  type GhostExchange,
  ghostExchange,
  RoundedArrival,
  RoundedExchange,
} from './ghost-exchange.js';
import { NormedExchange } from './normed-exchange.js';
import { PhantomNorm } from './norm.js';
import { elementOf } from '../element-of.js';
import type { ExchangePlace } from '../encoded-return.js';
import type { GhostOperator } from '../kind.js';
import type { LayerSizes } from '../outline.js';

/**
 * A linear layer in phantom form: each block multiplies its own activations, and hears of the
 * other blocks only through their ghosts.
 *
 * | tensor | shape on a rank that hosts block j | |
 * |---|---|---|
 * | x_j | [m, B] | input, sharded over blocks |
 * | L_j `local` | [n, m] | own activations to own activations |
 * | C_j `compressor` | [K, m] | own activations to own ghosts |
 * | D_j `decompressor` | [n, (P−1)·K] | the others' ghosts, in block order without j |
 * | G `ghosts` | [P·K, B] | everybody's ghosts |
 * | z_j | [n, B] | output, sharded over blocks |
 *
 * Block widths m = inputs / P and n = outputs / P; both are M in a layer that keeps the width.
 *
 * Inputs: x (the rank's blocks stacked, [blocksHere·m, B]), then every L_j, every C_j, every D_j.
 *
 * Forward: g_j = C_j x_j; G = allGather(g_j) (dual: reduce-scatter); z_j = L_j x_j + D_j G_{≠j}.
 * L_j x_j is computed while the all-gather is under way.
 *
 * Backward: h_j = reduceScatterSum over j of D_jᵀ dz_j (dual: all-gather), to which block j
 * contributes zero for itself; dL_j += dz_j x_jᵀ; dD_j += dz_j G_{≠j}ᵀ; dC_j += h_j x_jᵀ;
 * dx_j = L_jᵀ dz_j + C_jᵀ h_j. Everything without h is computed while the reduce-scatter is
 * under way.
 *
 * With a `precision` below float32, what crosses between blocks is rounded: Q(g_j) is gathered and
 * h_j sums Q(D_jᵀ dz_j) (see `GhostExchange`). The gradient is straight-through: Q counts as the
 * identity, so dC_j and dx_j take h_j as it arrives, and dD_j takes the G that was multiplied.
 *
 * Where `compute` is bfloat16, so are x, the matrices, dz, G (multiplied as it arrives; in int8 it is
 * decoded and rounded before) and h where it is multiplied; products and sums are float32.
 *
 * With a `ghostActivation` φ, ghosts are g_j = φ(C_j x_j), before they are rounded, and
 * h_j = φ′(C_j x_j) ∘ Σ_j D_jᵀ dz_j: no byte more. The layer is no longer that of a matrix, and is not
 * `normalized`: r is known after the gather only. Saved besides: C_j x_j.
 *
 * With `ghostsInUse` K' < K the layer is the one of the first K' rows of every C_j, and the first
 * K' of the K columns that D_j has for each other block; all equations hold with K' for K. The
 * matrices are read where they lie, one product a source block. Gradients of the rest are zero.
 *
 * Where the layer is `normalized`, it is that of u = x / r, r = √(Σ x² / N + 1e-6) of each sample over
 * the N features of all blocks. The scale commutes with the products: with s_j = Σ x_j² and
 * t_j = Σ dz_j∘ẑ_j over the rows of a block and q_j = dz_j / r,
 *
 *     forward   gather [C_j x_j ; s_j]     ẑ_j = L_j x_j + D_j G_{≠j}     z_j = ẑ_j / r
 *     backward  reduce-scatter [D_jᵀ q_j ; t_j in every slot] → h_j, t    q_j for dz_j above
 *               dx_j = L_jᵀ q_j + C_jᵀ h_j − x_j · t / (N r³)
 *
 * so the statistics ride with the ghosts: no further collective, K + 1 rows for K. A gain per
 * feature is left out: L_j and C_j have it. Float32 only. Saved besides: ẑ, r.
 *
 * Made again for the backward pass are L_j x_j and D_j G_{≠j} alone: G is kept, and r, so that there is no
 * collective.
 *
 * Cost of a block: forward 2B(n·m + K·m + (P−1)·K·n) FLOPs, 2B(M² + P·K·M) where m = n = M,
 * backward twice that; at R = P each pass receives and sends 4(P−1)·K·B bytes, or (P−1)·K·(4 + B)
 * in int8. Saved: x, G.
 *
 * @throws ShapeError for a number of ghosts outside 1 … K, and where `normalized` meets a
 * `ghostActivation`, or a `precision` or `compute` below float32
 *
 * Source: arXiv:2508.00960; the equations are those of a dense layer whose block (j, i ≠ j) is
 * the product D_j[i]·C_i, by the chain rule. Straight-through: arXiv:1308.3432. A function between two
 * factors: arXiv:2502.10940.
 */
export class PhantomLinear implements GhostOperator {
  readonly name: string;
  readonly layout: BlockLayout;
  /** K */
  readonly ghosts: number;
  readonly precision: LayerSizes['ghostPrecision'];
  /** m and n */
  readonly #inputWidth: number;
  readonly #outputWidth: number;
  readonly #normalized: boolean;
  readonly #compute: LayerSizes['compute'];
  readonly #activation: LayerSizes['ghostActivation'];
  #ghostsInUse: number;

  constructor(
    layer: Pick<LayerSizes, 'name' | 'inputs' | 'outputs' | 'ghosts' | 'ghostPrecision'> &
      Partial<Pick<LayerSizes, 'normalized' | 'compute' | 'ghostActivation'>>,
    layout: BlockLayout,
  ) {
    this.name = layer.name;
    this.#normalized = layer.normalized ?? false;
    this.#compute = layer.compute ?? 'float32';
    this.#activation = layer.ghostActivation ?? null;
    this.layout = layout;
    this.ghosts = layer.ghosts;
    this.precision = layer.ghostPrecision;
    this.#inputWidth = layer.inputs / layout.blocks;
    this.#outputWidth = layer.outputs / layout.blocks;
    this.#ghostsInUse = layer.ghosts;
    const isFloat = this.precision === 'float32' && this.#compute === 'float32';
    if (this.#normalized && (!isFloat || this.#activation !== null)) {
      throw new ShapeError(
        this.name,
        `normalized, with ghosts in ${this.precision}, ghost activation ` +
          `${this.#activation ?? 'none'} and compute ${this.#compute}; needs float32 without a ` +
          'ghost activation, or a normalization before the layer',
      );
    }
  }

  /** K': a pass, forward and backward, is of the first so many ghosts of each block. */
  get ghostsInUse(): number {
    return this.#ghostsInUse;
  }
  set ghostsInUse(count: number) {
    if (!Number.isInteger(count) || count < 1 || count > this.ghosts) {
      throw new ShapeError(this.name, `${count} ghosts in use; needs 1 to ${this.ghosts}`);
    }
    this.#ghostsInUse = count;
  }

  forward(context: OperatorContext, x: AnyTensor): Tensor {
    const { engine, phases } = context;
    const plan = this.#planOf(context, x);
    const isFirst = context.again === 'no';
    // Everybody's ghosts are kept: only what is made of them is made again.
    if (context.again === 'saved' && plan.norm === null) return plan.z;
    const gather = isFirst ? this.#startGather(context, plan) : null;
    phases.enter(PHASE.local);
    for (const block of plan.blocks) {
      engine.gemm(false, false, 1, block.local, block.x, 0, block.z);
    }
    phases.enter(PHASE.decompression);
    gather?.wait();
    for (const block of plan.blocks) {
      for (const part of block.parts) {
        engine.gemm(false, false, 1, part.decompressor, part.ghosts, 1, block.z);
      }
    }
    return plan.norm?.divide(isFirst) ?? plan.z;
  }

  #startGather({ engine, phases }: OperatorContext, plan: Plan): PendingCollective {
    phases.enter(PHASE.compression);
    for (const block of plan.blocks) {
      engine.gemm(false, false, 1, block.compressor, block.x, 0, block.ownGhosts);
    }
    plan.activation?.apply();
    plan.norm?.sumSquares();
    return plan.exchange.startGather();
  }

  backward(context: OperatorContext, dOutput: AnyTensor): void {
    const { engine, phases } = context;
    const plan = this.#planOf(context, elementOf(context.inputs, 0));
    const dz = plan.norm?.gradient(float32(dOutput)) ?? dOutput;
    plan.gradients ??= this.#planBackward(context, plan, dz);
    const { h, returned, rounded, blocks: gradients, contribute } = plan.gradients;
    const isPart = this.#ghostsInUse < this.ghosts;

    phases.enter(PHASE.decompression);
    const reduction = plan.exchange.startReturn(contribute, h);
    for (const [j, gradient] of gradients.entries()) {
      const beta = context.gradientBeta(this.#inputsOf(j).decompressor);
      if (isPart && beta === 0) engine.fill(gradient.wholeD, 0);
      for (const part of gradient.parts) {
        engine.gemm(false, true, 1, gradient.dz, part.ghosts, beta, part.dD);
      }
    }
    phases.enter(PHASE.local);
    const betaX = gradients[0]?.dx === null ? 0 : context.gradientBeta(0);
    for (const [j, block] of plan.blocks.entries()) {
      const gradient = elementOf(gradients, j);
      const beta = context.gradientBeta(this.#inputsOf(j).local);
      engine.gemm(false, true, 1, gradient.dz, block.x, beta, gradient.dL);
      if (gradient.dx) engine.gemm(true, false, 1, block.local, gradient.dz, betaX, gradient.dx);
    }
    phases.enter(PHASE.compression);
    reduction.wait();
    plan.activation?.gradient(returned);
    if (rounded) engine.encodeRows('bfloat16', h, rounded);
    for (const [j, block] of plan.blocks.entries()) {
      const gradient = elementOf(gradients, j);
      const beta = context.gradientBeta(this.#inputsOf(j).compressor);
      if (isPart && beta === 0) engine.fill(gradient.wholeC, 0);
      engine.gemm(false, true, 1, gradient.h, block.x, beta, gradient.dC);
      if (gradient.dx) engine.gemm(true, false, 1, block.compressor, gradient.h, 1, gradient.dx);
    }
    plan.norm?.correct(h);
  }

  /** Positions of the inputs of the rank's j-th block. */
  #inputsOf(j: number): { local: number; compressor: number; decompressor: number } {
    const { blocksHere } = this.layout;
    return { local: 1 + j, compressor: 1 + blocksHere + j, decompressor: 1 + 2 * blocksHere + j };
  }

  /**
   * G_{≠j} and the columns of D_j that multiply it, in the fewest parts whose rows and columns lie
   * side by side: with all ghosts in use those before and after block j's own, else one for each
   * source block.
   */
  #partsOf(j: number): { ghostRow: number; count: number; column: number }[] {
    const block = this.layout.firstBlock + j;
    const { ghosts: K, ghostsInUse: inUse } = this;
    const { blocks } = this.layout;
    const parts =
      inUse === K
        ? [
            { first: 0, blocks: block },
            { first: block + 1, blocks: blocks - 1 - block },
          ]
        : range(blocks)
            .filter((source) => source !== block)
            .map((source) => ({ first: source, blocks: 1 }));
    return parts
      .filter((part) => part.blocks > 0)
      .map((part) => ({
        ghostRow: part.first * inUse,
        count: part.blocks * inUse,
        column: (part.first < block ? part.first : part.first - 1) * K,
      }));
  }

  #planOf(context: OperatorContext, x: AnyTensor): Plan {
    const plans = context.plan(() => new Map<number, Plan>());
    let plan = plans.get(this.#ghostsInUse);
    if (plan === undefined) {
      plan = this.#plan(context, x);
      plans.set(this.#ghostsInUse, plan);
    }
    return plan;
  }

  #plan(context: OperatorContext, x: AnyTensor): Plan {
    const { blocks, blocksHere, firstBlock } = this.layout;
    const { ghosts: K, ghostsInUse: inUse, layout } = this;
    const [m, n] = [this.#inputWidth, this.#outputWidth];
    const columns = x.shape[1] ?? 1;
    const z = context.buffer('z', blocksHere * n, columns);
    const whole = context.keptBuffer(this.#compute, 'ghosts', blocks * K, columns);
    const ghosts: AnyTensor = tensorRows(whole, 0, blocks * inUse);
    const place = { context, layout, ghosts: K, inUse, columns };
    const ghostMatrix = asMatrix(ghosts);
    const normed = this.#normalized ? new NormedExchange(place, float32(ghosts)) : null;
    const norm = (on: NormedExchange) =>
      new PhantomNorm(context, on, { layout, inUse, x: float32(x), z, features: blocks * m });
    const { exchange, own } = this.#planExchange(place, ghosts);
    const sent = range(blocksHere).map(
      (j) => normed?.slotOf(firstBlock + j).ghosts ?? tensorRows(own, j * inUse, inUse),
    );
    const before = this.#beforeActivation(place);
    const activation =
      this.#activation &&
      new GhostActivation(
        context.engine,
        this.#activation,
        sent.map((slot, j) => ({
          before: elementOf(before, j),
          sent: slot,
          after: tensorRows(own, j * inUse, inUse),
        })),
      );
    const products = activation === null ? sent : before;
    return {
      z,
      activation,
      norm: normed && norm(normed),
      exchange: normed ?? exchange,
      blocks: range(blocksHere).map((j) => {
        const { local, compressor, decompressor } = this.#inputsOf(j);
        const decompressorMatrix = asMatrix(elementOf(context.inputs, decompressor));
        return {
          x: matrixRows(asMatrix(x), j * m, m),
          z: matrixRows(asMatrix(z), j * n, n),
          local: asMatrix(elementOf(context.inputs, local)),
          compressor: matrixRows(asMatrix(elementOf(context.inputs, compressor)), 0, inUse),
          ownGhosts: asMatrix(elementOf(products, j)),
          parts: this.#partsOf(j).map(({ ghostRow, count, column }) => ({
            decompressor: matrixColumns(decompressorMatrix, column, count),
            ghosts: matrixRows(ghostMatrix, ghostRow, count),
          })),
        };
      }),
      gradients: null,
    };
  }

  /** @returns also where products write the rank's own ghosts */
  #planExchange(place: ExchangePlace, ghosts: AnyTensor): { exchange: GhostExchange; own: Tensor } {
    const { context, columns, inUse, layout } = place;
    const { firstBlock, blocksHere } = layout;
    const shape = [blocksHere * this.ghosts, columns] as const;
    const buffer = () =>
      tensorRows(
        this.#activation === null
          ? context.buffer('own ghosts', ...shape)
          : float32(context.keptBuffer('float32', 'own ghosts', ...shape)),
        0,
        blocksHere * inUse,
      );
    // φ′ is of what is not rounded, and decoded ghosts would take its place.
    const isApart = this.#activation !== null && this.precision !== 'float32';
    const ownOf = (every: Tensor) =>
      isApart ? buffer() : tensorRows(every, firstBlock * inUse, blocksHere * inUse);
    if (ghosts.dtype === 'float32') {
      const own = ownOf(ghosts);
      return { exchange: ghostExchange(this.precision, place, ghosts, own), own };
    }
    if (this.precision !== 'bfloat16') {
      const every = context.buffer('decoded ghosts', layout.blocks * this.ghosts, columns);
      const decoded = tensorRows(every, 0, layout.blocks * inUse);
      const own = ownOf(decoded);
      const exchange = ghostExchange(this.precision, place, decoded, own);
      return { exchange: new RoundedArrival(context.engine, exchange, decoded, ghosts), own };
    }
    const own = buffer();
    return { exchange: new RoundedExchange(place, own, ghosts), own };
  }

  /** C_j x_j of the rank's blocks, where a function follows. */
  #beforeActivation({ context, columns, inUse, layout }: ExchangePlace): Tensor[] {
    if (this.#activation === null) return [];
    const { blocksHere } = layout;
    const shape = [blocksHere * this.ghosts, columns] as const;
    const whole = float32(context.keptBuffer('float32', 'ghosts before', ...shape));
    return range(blocksHere).map((j) => tensorRows(whole, j * inUse, inUse));
  }

  #planBackward(context: OperatorContext, plan: Plan, dz: AnyTensor): BackwardPlan {
    const { blocksHere } = this.layout;
    const { ghosts: K, ghostsInUse: inUse } = this;
    const [m, n] = [this.#inputWidth, this.#outputWidth];
    const columns = dz.shape[1] ?? 1;
    const more = this.#normalized ? 1 : 0;
    const whole = context.buffer('h', blocksHere * (K + more), columns);
    const h = tensorRows(whole, 0, blocksHere * (inUse + more));
    const operand: AnyTensor =
      this.#compute === 'bfloat16'
        ? tensorRows(
            context.bufferOf(this.#compute, 'rounded h', blocksHere * K, columns),
            0,
            blocksHere * inUse,
          )
        : h;
    const dx = context.gradient(0);
    const gradientOf = (input: number): Tensor =>
      context.gradient(input) ??
      context.buffer(`unused ${input}`, ...elementOf(context.inputs, input).shape);
    const gradients = range(blocksHere).map((j) => {
      const { local, compressor, decompressor } = this.#inputsOf(j);
      const wholeD = gradientOf(decompressor);
      const wholeC = gradientOf(compressor);
      return {
        dz: matrixRows(asMatrix(dz), j * n, n),
        dx: dx && matrixRows(asMatrix(dx), j * m, m),
        h: matrixRows(asMatrix(operand), j * (inUse + more), inUse),
        dL: asMatrix(gradientOf(local)),
        dC: matrixRows(asMatrix(wholeC), 0, inUse),
        wholeC,
        wholeD,
        parts: this.#partsOf(j).map(({ column, count }, part) => ({
          dD: matrixColumns(asMatrix(wholeD), column, count),
          ghosts: elementOf(elementOf(plan.blocks, j).parts, part).ghosts,
        })),
      };
    });
    const contribute = this.#contribution(context, plan, gradients);
    const returned = range(blocksHere).map((j) => tensorRows(h, j * (inUse + more), inUse));
    const rounded = operand === h ? null : bytesOf(operand);
    return { h, returned, rounded, blocks: gradients, contribute };
  }

  /** Writes D_jᵀ dz_j for every ghost of the others, zero for the block's own. */
  #contribution(
    { engine }: OperatorContext,
    plan: Plan,
    gradients: readonly BlockGradients[],
  ): (j: number, target: Tensor) => void {
    const { ghostsInUse: inUse } = this;
    // A block is handed the same target in every step.
    const targets: { own: Tensor; parts: Matrix[] }[] = [];
    return (j, target) => {
      const rows = (targets[j] ??= {
        own: tensorRows(target, (this.layout.firstBlock + j) * inUse, inUse),
        parts: this.#partsOf(j).map(({ ghostRow, count }) =>
          matrixRows(asMatrix(target), ghostRow, count),
        ),
      });
      engine.fill(rows.own, 0);
      for (const [i, part] of elementOf(plan.blocks, j).parts.entries()) {
        const { dz } = elementOf(gradients, j);
        engine.gemm(true, false, 1, part.decompressor, dz, 0, elementOf(rows.parts, i));
      }
    };
  }
}

/** Views for one number of ghosts in use; the tensors below them hold all K. */
interface Plan {
  /** Before a normalization has divided it. */
  readonly z: Tensor;
  readonly activation: GhostActivation | null;
  readonly norm: PhantomNorm | null;
  readonly exchange: GhostExchange;
  readonly blocks: readonly {
    readonly x: Matrix;
    readonly z: Matrix;
    readonly local: Matrix;
    readonly compressor: Matrix;
    readonly ownGhosts: Matrix;
    readonly parts: readonly { readonly decompressor: Matrix; readonly ghosts: Matrix }[];
  }[];
  gradients: BackwardPlan | null;
}

interface BackwardPlan {
  readonly h: Tensor;
  /** Of each block: its rows that are of ghosts. */
  readonly returned: readonly Tensor[];
  /** Where h is rounded to; null: it is multiplied as it is. */
  readonly rounded: Bytes | null;
  readonly blocks: readonly BlockGradients[];
  readonly contribute: (j: number, target: Tensor) => void;
}

interface BlockGradients {
  readonly dz: Matrix;
  readonly dx: Matrix | null;
  readonly h: Matrix;
  readonly dL: Matrix;
  readonly dC: Matrix;
  /** Of all K ghosts. */
  readonly wholeC: Tensor;
  readonly wholeD: Tensor;
  readonly parts: readonly { readonly dD: Matrix; readonly ghosts: Matrix }[];
}
