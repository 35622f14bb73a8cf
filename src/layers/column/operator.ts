import type { Operator, OperatorContext } from '../../autograd/operator.js';
import { PHASE } from '../../base/phases.js';
import {
  type AnyTensor,
  asMatrix,
  matrixRows,
  type Matrix,
  type Tensor,
} from '../../tensor/tensor.js';
import { type BlockLayout, range } from '../block-layout.js';
import { BlockSum } from '../block-sum.js';
import { elementOf } from '../element-of.js';
import type { LayerSizes } from '../outline.js';

/**
 * A linear layer from a replicated to a sharded activation: the column-parallel half of a
 * tensor-parallel pair, and the entry of every network with replicated input features.
 *
 * | tensor | shape on a rank that hosts block j | |
 * |---|---|---|
 * | x | [F, B] | input, the same on every rank |
 * | W_j `weight` | [n, F] | rows of the matrix |
 * | z_j | [n, B] | output, sharded over blocks |
 *
 * F inputs, block width n = outputs / P.
 *
 * Inputs: x, then every W_j.
 *
 * Forward: z_j = W_j x, no collective (dual: all-reduce).
 *
 * Backward: dx = allReduceSum of W_jᵀ dz_j (dual: none); dW_j += dz_j xᵀ, computed while the
 * all-reduce is under way. Without a gradient for x (data) there is no collective.
 *
 * Cost of a block: forward 2B·n·F FLOPs, backward twice that (once without dx); the all-reduce
 * carries 4·F·B bytes. Saved: x. In bfloat16 are x, W_j and dz_j.
 *
 * Source of the pairing: arXiv:1909.08053, section 3.
 */
export class ColumnLinear implements Operator {
  readonly name: string;
  readonly layout: BlockLayout;
  /** F */
  readonly #features: number;
  /** n */
  readonly #outputWidth: number;

  constructor(layer: Pick<LayerSizes, 'name' | 'inputs' | 'outputs'>, layout: BlockLayout) {
    this.name = layer.name;
    this.layout = layout;
    this.#features = layer.inputs;
    this.#outputWidth = layer.outputs / layout.blocks;
  }

  forward(context: OperatorContext, x: AnyTensor): Tensor {
    const plan = context.plan(() => this.#plan(context, x));
    if (context.again === 'saved') return plan.z;
    context.phases.enter(PHASE.local);
    for (const block of plan.blocks) {
      context.engine.gemm(false, false, 1, block.weight, plan.x, 0, block.z);
    }
    return plan.z;
  }

  backward(context: OperatorContext, dz: AnyTensor): void {
    const { engine, communicator } = context;
    const plan = context.plan(() => this.#plan(context, elementOf(context.inputs, 0)));
    plan.gradients ??= this.#planBackward(context, dz);
    const { blocks, input } = plan.gradients;

    context.phases.enter(PHASE.local);
    if (input) {
      input.sum.into(input.dx, (j, target) => {
        const whole = (input.targets[j] ??= asMatrix(target));
        engine.gemm(
          true,
          false,
          1,
          elementOf(plan.blocks, j).weight,
          elementOf(blocks, j).dz,
          0,
          whole,
        );
      });
    }
    const reduction = input && communicator.startAllReduceSum(input.dx);
    for (const [j, block] of blocks.entries()) {
      engine.gemm(false, true, 1, block.dz, plan.x, context.gradientBeta(1 + j), block.dW);
    }
    reduction?.wait();
    if (input) context.giveGradient(0, input.dx);
  }

  #plan(context: OperatorContext, x: AnyTensor): Plan {
    const { blocksHere } = this.layout;
    const n = this.#outputWidth;
    const z = context.buffer('z', blocksHere * n, x.shape[1] ?? 1);
    return {
      z,
      x: asMatrix(x),
      blocks: range(blocksHere).map((j) => ({
        weight: asMatrix(elementOf(context.inputs, 1 + j)),
        z: matrixRows(asMatrix(z), j * n, n),
      })),
      gradients: null,
    };
  }

  #planBackward(context: OperatorContext, dz: AnyTensor): BackwardPlan {
    const { blocksHere } = this.layout;
    const [F, n] = [this.#features, this.#outputWidth];
    const columns = dz.shape[1] ?? 1;
    return {
      input: context.needsGradient(0)
        ? {
            dx: context.buffer('dx', F, columns),
            sum: new BlockSum(context.engine, blocksHere, () =>
              context.engine.allocate([F, columns]),
            ),
            targets: [],
          }
        : null,
      blocks: range(blocksHere).map((j) => ({
        dz: matrixRows(asMatrix(dz), j * n, n),
        dW: asMatrix(context.gradient(1 + j) ?? context.buffer(`unused ${j}`, n, F)),
      })),
    };
  }
}

interface Plan {
  readonly z: Tensor;
  readonly x: Matrix;
  readonly blocks: readonly { readonly weight: Matrix; readonly z: Matrix }[];
  gradients: BackwardPlan | null;
}

interface BackwardPlan {
  readonly blocks: readonly { readonly dz: Matrix; readonly dW: Matrix }[];
  readonly input: {
    readonly dx: Tensor;
    readonly sum: BlockSum;
    readonly targets: Matrix[];
  } | null;
}
