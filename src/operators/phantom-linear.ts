import type { Operator, OperatorContext, OperatorCost } from '../autograd/operator.js';
import {
  asMatrix,
  matrixColumns,
  matrixRows,
  type Matrix,
  type Tensor,
  tensorRows,
} from '../tensor/tensor.js';
import { type BlockLayout, range } from './block-layout.js';
import { BlockSum } from './block-sum.js';
import { at } from './inputs.js';

/**
 * A linear layer in phantom form: each block multiplies its own activations, and hears of the
 * other blocks only through their ghosts.
 *
 * | tensor | shape on a rank that hosts block j | |
 * |---|---|---|
 * | x_j | [M, B] | input, sharded over blocks |
 * | L_j `local` | [M, M] | own activations to own activations |
 * | C_j `compressor` | [K, M] | own activations to own ghosts |
 * | D_j `decompressor` | [M, (P−1)·K] | the others' ghosts, in block order without j |
 * | G `ghosts` | [P·K, B] | everybody's ghosts |
 * | z_j | [M, B] | output, sharded over blocks |
 *
 * Inputs: x (the rank's blocks stacked, [blocksHere·M, B]), then every L_j, every C_j, every D_j.
 *
 * Forward: g_j = C_j x_j; G = allGather(g_j) (dual: reduce-scatter); z_j = L_j x_j + D_j G_{≠j}.
 * L_j x_j is computed while the all-gather is under way.
 *
 * Backward: h_j = reduceScatterSum over j of D_jᵀ dz_j (dual: all-gather), to which block j
 * contributes zero for itself; dL_j += dz_j x_jᵀ; dD_j += dz_j G_{≠j}ᵀ; dC_j += h_j x_jᵀ;
 * dx_j = L_jᵀ dz_j + C_jᵀ h_j. Everything without h is computed while the reduce-scatter is
 * under way.
 *
 * Cost of a block: forward 2B(M² + P·K·M) FLOPs, backward twice that; at R = P each pass receives
 * and sends 4(P−1)·K·B bytes. Saved: x, G.
 *
 * Source: arXiv:2508.00960; the equations are those of a dense layer whose block (j, i ≠ j) is
 * the product D_j[i]·C_i, by the chain rule.
 */
export class PhantomLinear implements Operator {
  readonly name: string;
  readonly layout: BlockLayout;
  /** M */
  readonly blockWidth: number;
  /** K */
  readonly ghosts: number;

  constructor(name: string, layout: BlockLayout, blockWidth: number, ghosts: number) {
    this.name = name;
    this.layout = layout;
    this.blockWidth = blockWidth;
    this.ghosts = ghosts;
  }

  /** @param inputNeedsGradient whether dx is computed; h is needed for dC in any case */
  cost(columns: number, inputNeedsGradient: boolean): OperatorCost {
    const { blocks, blocksHere, ranks } = this.layout;
    const { blockWidth: M, ghosts: K } = this;
    const product = 2 * columns * blocksHere;
    const local = product * M * M;
    const compression = product * K * M;
    const decompression = product * M * (blocks - 1) * K;
    const bytes = 4 * (ranks - 1) * blocksHere * K * columns;
    const traffic = { sentBytes: bytes, receivedBytes: bytes, collectives: 1 };
    return {
      forward: { flops: local + compression + decompression, ...traffic },
      backward: {
        flops:
          local + compression + 2 * decompression + (inputNeedsGradient ? local + compression : 0),
        ...traffic,
      },
    };
  }

  forward(context: OperatorContext, x: Tensor): Tensor {
    const { engine, communicator } = context;
    const plan = context.plan(() => this.#plan(context, x));
    for (const block of plan.blocks) {
      engine.gemm(false, false, 1, block.compressor, block.x, 0, block.ownGhosts);
    }
    const gather = communicator.startAllGather(plan.ghostsSent, plan.ghosts.data);
    for (const block of plan.blocks) {
      engine.gemm(false, false, 1, block.local, block.x, 0, block.z);
    }
    gather.wait();
    for (const block of plan.blocks) {
      for (const side of block.sides) {
        engine.gemm(false, false, 1, side.decompressor, side.ghosts, 1, block.z);
      }
    }
    return plan.z;
  }

  backward(context: OperatorContext, dz: Tensor): void {
    const { engine, communicator } = context;
    const plan = context.plan(() => this.#plan(context, at(context.inputs, 0)));
    plan.gradients ??= this.#planBackward(context, plan, dz);
    const { send, sum, h, blocks: gradients } = plan.gradients;

    sum.into(send, (j, target) => this.#contribute(context, plan, gradients, j, target));
    const reduction = communicator.startReduceScatterSum(send.data, h.data);
    const betaX = gradients[0]?.dx === null ? 0 : context.gradientBeta(0);
    for (const [j, block] of plan.blocks.entries()) {
      const gradient = at(gradients, j);
      const { local, decompressor } = this.#inputsOf(j);
      engine.gemm(false, true, 1, gradient.dz, block.x, context.gradientBeta(local), gradient.dL);
      const betaD = context.gradientBeta(decompressor);
      for (const side of gradient.sides) {
        engine.gemm(false, true, 1, gradient.dz, side.ghosts, betaD, side.dD);
      }
      if (gradient.dx) engine.gemm(true, false, 1, block.local, gradient.dz, betaX, gradient.dx);
    }
    reduction.wait();
    for (const [j, block] of plan.blocks.entries()) {
      const gradient = at(gradients, j);
      const beta = context.gradientBeta(this.#inputsOf(j).compressor);
      engine.gemm(false, true, 1, gradient.h, block.x, beta, gradient.dC);
      if (gradient.dx) engine.gemm(true, false, 1, block.compressor, gradient.h, 1, gradient.dx);
    }
  }

  /** target = D_jᵀ dz_j for every ghost of the others, zero for the block's own. */
  #contribute(
    context: OperatorContext,
    plan: Plan,
    gradients: readonly BlockGradients[],
    j: number,
    target: Tensor,
  ): void {
    // The tree over a rank's blocks hands block j the same target in every step.
    const own = (plan.contributions[j] ??= {
      zero: tensorRows(target, (this.layout.firstBlock + j) * this.ghosts, this.ghosts),
      sides: this.#sides(j).map(({ ghostRow, ghostRows }) =>
        matrixRows(asMatrix(target), ghostRow, ghostRows),
      ),
    });
    context.engine.fill(own.zero, 0);
    for (const [s, side] of at(plan.blocks, j).sides.entries()) {
      const rows = at(own.sides, s);
      context.engine.gemm(true, false, 1, side.decompressor, at(gradients, j).dz, 0, rows);
    }
  }

  /** Positions of the inputs of the rank's j-th block. */
  #inputsOf(j: number): { local: number; compressor: number; decompressor: number } {
    const { blocksHere } = this.layout;
    return { local: 1 + j, compressor: 1 + blocksHere + j, decompressor: 1 + 2 * blocksHere + j };
  }

  /** The ghosts before and after block j's own, where there are any: G_{≠j} in two parts. */
  #sides(j: number): { ghostRow: number; ghostRows: number; column: number }[] {
    const block = this.layout.firstBlock + j;
    const before = block * this.ghosts;
    const after = (this.layout.blocks - 1 - block) * this.ghosts;
    return [
      { ghostRow: 0, ghostRows: before, column: 0 },
      { ghostRow: before + this.ghosts, ghostRows: after, column: before },
    ].filter((side) => side.ghostRows > 0);
  }

  #plan(context: OperatorContext, x: Tensor): Plan {
    const { blocks, blocksHere, firstBlock } = this.layout;
    const { blockWidth: M, ghosts: K } = this;
    const columns = x.shape[1] ?? 1;
    const z = context.buffer('z', blocksHere * M, columns);
    const ghosts = context.buffer('ghosts', blocks * K, columns);
    const ghostMatrix = asMatrix(ghosts);
    return {
      z,
      ghosts,
      ghostsSent: tensorRows(ghosts, firstBlock * K, blocksHere * K).data,
      blocks: range(blocksHere).map((j) => {
        const { local, compressor, decompressor } = this.#inputsOf(j);
        const decompressorMatrix = asMatrix(at(context.inputs, decompressor));
        return {
          x: matrixRows(asMatrix(x), j * M, M),
          z: matrixRows(asMatrix(z), j * M, M),
          local: asMatrix(at(context.inputs, local)),
          compressor: asMatrix(at(context.inputs, compressor)),
          ownGhosts: matrixRows(ghostMatrix, (firstBlock + j) * K, K),
          sides: this.#sides(j).map(({ ghostRow, ghostRows, column }) => ({
            decompressor: matrixColumns(decompressorMatrix, column, ghostRows),
            ghosts: matrixRows(ghostMatrix, ghostRow, ghostRows),
          })),
        };
      }),
      contributions: [],
      gradients: null,
    };
  }

  #planBackward(context: OperatorContext, plan: Plan, dz: Tensor): BackwardPlan {
    const { blocks, blocksHere } = this.layout;
    const { blockWidth: M, ghosts: K } = this;
    const columns = dz.shape[1] ?? 1;
    const h = context.buffer('h', blocksHere * K, columns);
    const dx = context.gradient(0);
    const gradientOf = (input: number): Matrix => {
      const gradient = context.gradient(input);
      return asMatrix(
        gradient ?? context.buffer(`unused ${input}`, ...at(context.inputs, input).shape),
      );
    };
    return {
      send: context.buffer('contribution', blocks * K, columns),
      sum: new BlockSum(context.engine, blocksHere, [blocks * K, columns]),
      h,
      blocks: range(blocksHere).map((j) => {
        const { local, compressor, decompressor } = this.#inputsOf(j);
        const dD = gradientOf(decompressor);
        return {
          dz: matrixRows(asMatrix(dz), j * M, M),
          dx: dx && matrixRows(asMatrix(dx), j * M, M),
          h: matrixRows(asMatrix(h), j * K, K),
          dL: gradientOf(local),
          dC: gradientOf(compressor),
          sides: this.#sides(j).map(({ ghostRows, column }, s) => ({
            dD: matrixColumns(dD, column, ghostRows),
            ghosts: at(at(plan.blocks, j).sides, s).ghosts,
          })),
        };
      }),
    };
  }
}

interface Plan {
  readonly z: Tensor;
  readonly ghosts: Tensor;
  readonly ghostsSent: Float32Array;
  readonly blocks: readonly {
    readonly x: Matrix;
    readonly z: Matrix;
    readonly local: Matrix;
    readonly compressor: Matrix;
    readonly ownGhosts: Matrix;
    readonly sides: readonly { readonly decompressor: Matrix; readonly ghosts: Matrix }[];
  }[];
  /** Parts of the tensor that a block writes its contribution into, by block. */
  readonly contributions: { readonly zero: Tensor; readonly sides: readonly Matrix[] }[];
  gradients: BackwardPlan | null;
}

interface BackwardPlan {
  readonly send: Tensor;
  readonly sum: BlockSum;
  readonly h: Tensor;
  readonly blocks: readonly BlockGradients[];
}

interface BlockGradients {
  readonly dz: Matrix;
  readonly dx: Matrix | null;
  readonly h: Matrix;
  readonly dL: Matrix;
  readonly dC: Matrix;
  readonly sides: readonly { readonly dD: Matrix; readonly ghosts: Matrix }[];
}
