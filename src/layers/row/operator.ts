import type { Operator, OperatorContext } from '../../autograd/operator.js';
import { PHASE } from '../../base/phases.js';
import {
  type AnyTensor,
  asMatrix,
  type Bytes,
  bytesOf,
  float32,
  matrixRows,
  type Matrix,
  type Tensor,
  tensorRows,
} from '../../tensor/tensor.js';
import { type BlockLayout, range } from '../block-layout.js';
import { BlockSum } from '../block-sum.js';
import { elementOf } from '../element-of.js';
import type { LayerSizes } from '../outline.js';
import { biasRows, type RowRange } from './parameters.js';

/**
 * A linear layer from a sharded to a replicated activation: the row-parallel half of a
 * tensor-parallel pair, and the head of every network with replicated outputs.
 *
 * | tensor | shape on a rank that hosts block j | |
 * |---|---|---|
 * | x_j | [m, B] | input, sharded over blocks |
 * | W_j `weight` | [T, m] | columns of the matrix |
 * | b_j `bias` | the rows it covers | each output row's bias belongs to one block |
 * | z | [T, B] | output, the same on every rank |
 *
 * T outputs, block width m = inputs / P.
 *
 * Inputs: x (the rank's blocks stacked), then every W_j, then the b_j of the blocks that have one.
 *
 * Forward: z = allReduceSum of (W_j x_j + b_j on its rows) (dual: none). Nothing is left to do
 * while the all-reduce is under way.
 *
 * Backward: dz is the same on every rank; dx_j = W_jᵀ dz; dW_j += dz x_jᵀ; db_j += row sums of
 * its rows of dz. No collective.
 *
 * Cost of a block: forward 2B·T·m FLOPs, backward twice that; the all-reduce carries 4·T·B bytes.
 * Saved: x. Made again for the backward pass, if z is wanted, is all of it, the all-reduce too. In
 * bfloat16 are x, W_j and, where it is multiplied, dz; z is summed in float32.
 *
 * Source of the pairing: arXiv:1909.08053, section 3.
 */
export class RowLinear implements Operator {
  readonly name: string;
  readonly layout: BlockLayout;
  /** m */
  readonly #inputWidth: number;
  /** T */
  readonly #outputs: number;
  readonly #compute: LayerSizes['compute'];
  /** Of each of the rank's blocks. */
  readonly #biasRows: readonly (RowRange | null)[];

  constructor(
    layer: Pick<LayerSizes, 'name' | 'inputs' | 'outputs' | 'blocks' | 'storedWhole'> &
      Partial<Pick<LayerSizes, 'compute'>>,
    layout: BlockLayout,
  ) {
    this.name = layer.name;
    this.layout = layout;
    this.#inputWidth = layer.inputs / layout.blocks;
    this.#outputs = layer.outputs;
    this.#compute = layer.compute ?? 'float32';
    this.#biasRows = range(layout.blocksHere).map((j) => biasRows(layer, layout.firstBlock + j));
  }

  forward(context: OperatorContext, x: AnyTensor): Tensor {
    const { engine, communicator } = context;
    const plan = context.plan(() => this.#plan(context, x));
    if (context.again === 'saved') return plan.z;
    context.phases.enter(PHASE.local);
    plan.sum.into(plan.z, (j, target) => {
      const block = elementOf(plan.blocks, j);
      block.target ??= asMatrix(target);
      engine.gemm(false, false, 1, block.weight, block.x, 0, block.target);
      if (block.bias) {
        const { from, count } = block.bias;
        block.biased ??= tensorRows(target, from, count);
        engine.biasActivation('identity', block.biased, block.bias.value, block.biased);
      }
    });
    communicator.allReduceSum(plan.z);
    return plan.z;
  }

  backward(context: OperatorContext, dz: Tensor): void {
    const { engine } = context;
    const plan = context.plan(() => this.#plan(context, elementOf(context.inputs, 0)));
    plan.gradients ??= this.#planBackward(context, plan, dz);
    const { dz: dzMatrix, rounded, blocks } = plan.gradients;
    context.phases.enter(PHASE.local);
    if (rounded) engine.encodeRows('bfloat16', dz, rounded);
    const betaX = blocks[0]?.dx === null ? 0 : context.gradientBeta(0);
    for (const [j, block] of blocks.entries()) {
      const { weight, x } = elementOf(plan.blocks, j);
      engine.gemm(false, true, 1, dzMatrix, x, context.gradientBeta(1 + j), block.dW);
      if (block.dx) engine.gemm(true, false, 1, weight, dzMatrix, betaX, block.dx);
      if (block.bias) {
        const { input, rows, gradient } = block.bias;
        const beta = context.gradientBeta(input);
        engine.biasActivationGradient('identity', rows, rows, rows, rows, beta, gradient);
      }
    }
  }

  #plan(context: OperatorContext, x: AnyTensor): Plan {
    const { blocksHere } = this.layout;
    const [m, T] = [this.#inputWidth, this.#outputs];
    const columns = x.shape[1] ?? 1;
    let biasInput = 1 + blocksHere;
    return {
      z: context.buffer('z', T, columns),
      sum: new BlockSum(context.engine, blocksHere, () => context.engine.allocate([T, columns])),
      blocks: range(blocksHere).map((j) => {
        const rows = this.#biasRows[j] ?? null;
        const input = biasInput;
        if (rows) biasInput++;
        return {
          x: matrixRows(asMatrix(x), j * m, m),
          weight: asMatrix(elementOf(context.inputs, 1 + j)),
          bias: rows && { ...rows, input, value: float32(elementOf(context.inputs, input)) },
          target: null,
          biased: null,
        };
      }),
      gradients: null,
    };
  }

  #planBackward(context: OperatorContext, plan: Plan, dz: Tensor): BackwardPlan {
    const [m, T] = [this.#inputWidth, this.#outputs];
    const dx = context.gradient(0);
    const operand: AnyTensor =
      this.#compute === 'bfloat16'
        ? context.bufferOf(this.#compute, 'rounded dz', ...dz.shape)
        : dz;
    return {
      dz: asMatrix(operand),
      rounded: operand === dz ? null : bytesOf(operand),
      blocks: plan.blocks.map(({ bias }, j) => ({
        dW: asMatrix(context.gradient(1 + j) ?? context.buffer(`unused ${j}`, T, m)),
        dx: dx && matrixRows(asMatrix(dx), j * m, m),
        bias: bias && {
          input: bias.input,
          rows: tensorRows(dz, bias.from, bias.count),
          gradient: context.gradient(bias.input) ?? context.buffer(`unused bias ${j}`, bias.count),
        },
      })),
    };
  }
}

interface Plan {
  readonly z: Tensor;
  readonly sum: BlockSum;
  readonly blocks: readonly {
    readonly x: Matrix;
    readonly weight: Matrix;
    readonly bias: {
      readonly from: number;
      readonly count: number;
      readonly input: number;
      readonly value: Tensor;
    } | null;
    /** Where the tree over the rank's blocks has this block write: the same in every step. */
    target: Matrix | null;
    biased: Tensor | null;
  }[];
  gradients: BackwardPlan | null;
}

interface BackwardPlan {
  readonly dz: Matrix;
  /** Where dz is rounded to; null: it is multiplied as it is. */
  readonly rounded: Bytes | null;
  readonly blocks: readonly {
    readonly dW: Matrix;
    readonly dx: Matrix | null;
    readonly bias: {
      readonly input: number;
      readonly rows: Tensor;
      readonly gradient: Tensor;
    } | null;
  }[];
}
