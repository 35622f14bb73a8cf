import type { Operator, OperatorContext } from '../../autograd/operator.js';
import type { PendingCollective } from '../../communicators/communicator.js';
import { PHASE } from '../../base/phases.js';
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
} from '../../tensor/tensor.js';
import { type BlockLayout, range } from '../block-layout.js';
import { BlockSum } from '../block-sum.js';
import { elementOf } from '../element-of.js';
import { type Contribute, EncodedReturn } from '../encoded-return.js';
import { GatherNorm } from './gather-norm.js';
import type { LayerSizes } from '../outline.js';

/**
 * A linear layer in tensor-parallel form, one collective a pass: each block holds rows of the
 * matrix and multiplies the whole gathered activation.
 *
 * | tensor | shape on a rank that hosts block j | |
 * |---|---|---|
 * | x_j | [m, B] | input, sharded over blocks |
 * | W_j `weight` | [n, P·m] | rows of the matrix |
 * | X | [P·m, B] | everybody's activations |
 * | z_j | [n, B] | output, sharded over blocks |
 *
 * Block widths m = inputs / P and n = outputs / P; both are M in a layer that keeps the width N.
 *
 * Inputs: x (the rank's blocks stacked, [blocksHere·m, B]), then every W_j.
 *
 * Forward: X = allGather(x_j) (dual: reduce-scatter); z_j = W_j X. The own column block,
 * W_jj x_j, is computed while the all-gather is under way.
 *
 * Backward: dx_j = reduceScatterSum of W_jᵀ dz_j (dual: all-gather); dW_j += dz_j Xᵀ, computed
 * while the reduce-scatter is under way. Without a gradient for x there is no collective.
 *
 * Where the layer is `normalized`, it is that of x / r, r = √(Σ x² / N + 1e-6) of each sample over
 * the N features of all blocks, which every rank has after the gather; the own block's product needs
 * no r, as ẑ_j = W_j X and z_j = ẑ_j / r. Backward, with q_j = dz_j / r and t_j = Σ dz_j∘ẑ_j, the
 * reduce-scatter carries [W_jᵀ q_j ; t_j in every slot], m + 1 rows a block for m, and
 * dx_j = what arrives − x_j · t / (N r³): no further collective. Saved besides: ẑ, r.
 *
 * Cost of a block: forward 2B·n·P·m FLOPs, 2B·M·N where m = n = M, backward twice that; at R = P
 * each pass receives and sends 4(P−1)·m·B bytes. Saved: X.
 *
 * Made again for the backward pass is all of it, the all-gather too: X is P times what it is made of.
 *
 * In bfloat16 are x, X, W_j and dz_j, and what travels: forward x as it is, backward W_jᵀ dz_j of every
 * block by itself, which are summed in float32 where they arrive (see `EncodedReturn`).
 */
export class GatherLinear implements Operator {
  readonly name: string;
  readonly layout: BlockLayout;
  /** m and n */
  readonly #inputWidth: number;
  readonly #outputWidth: number;
  readonly #normalized: boolean;
  readonly #compute: LayerSizes['compute'];

  constructor(
    layer: Pick<LayerSizes, 'name' | 'inputs' | 'outputs'> &
      Partial<Pick<LayerSizes, 'normalized' | 'compute'>>,
    layout: BlockLayout,
  ) {
    this.name = layer.name;
    this.#normalized = layer.normalized ?? false;
    this.#compute = layer.compute ?? 'float32';
    this.layout = layout;
    this.#inputWidth = layer.inputs / layout.blocks;
    this.#outputWidth = layer.outputs / layout.blocks;
  }

  forward(context: OperatorContext, x: AnyTensor): Tensor {
    const { engine, communicator } = context;
    const plan = context.plan(() => this.#plan(context, x));
    context.phases.enter(PHASE.local);
    const gather = communicator.startAllGather(plan.own, plan.gathered);
    if (context.again === 'saved' && plan.norm === null) {
      gather.wait();
      return plan.z;
    }
    for (const block of plan.blocks) {
      engine.gemm(false, false, 1, block.ownWeight, block.x, 0, block.z);
    }
    gather.wait();
    for (const block of plan.blocks) {
      for (const side of block.sides) {
        engine.gemm(false, false, 1, side.weight, side.x, 1, block.z);
      }
    }
    return plan.norm?.divide() ?? plan.z;
  }

  backward(context: OperatorContext, dOutput: AnyTensor): void {
    const { engine } = context;
    const plan = context.plan(() => this.#plan(context, elementOf(context.inputs, 0)));
    const dz = plan.norm?.gradient(float32(dOutput)) ?? dOutput;
    plan.gradients ??= this.#planBackward(context, dz);
    const { blocks, input } = plan.gradients;

    context.phases.enter(PHASE.local);
    const contribute = (j: number, target: Tensor): void => {
      const { weight, dz: dzBlock } = elementOf(blocks, j);
      if (plan.norm) {
        plan.norm.contribute(j, { weight, q: dzBlock, target });
        return;
      }
      const whole = input && (input.targets[j] ??= asMatrix(target));
      if (whole) engine.gemm(true, false, 1, weight, dzBlock, 0, whole);
    };
    const reduction = input && input.startReturn(contribute);
    for (const [j, block] of blocks.entries()) {
      const beta = context.gradientBeta(1 + j);
      engine.gemm(false, true, 1, block.dz, plan.gatheredMatrix, beta, block.dW);
    }
    reduction?.wait();
    if (input) context.giveGradient(0, plan.norm?.correct(input.received) ?? input.received);
  }

  #plan(context: OperatorContext, x: AnyTensor): Plan {
    const { blocks, blocksHere, firstBlock } = this.layout;
    const [m, n] = [this.#inputWidth, this.#outputWidth];
    const columns = x.shape[1] ?? 1;
    const z = context.buffer('z', blocksHere * n, columns);
    const gathered: AnyTensor = context.bufferOf(this.#compute, 'gathered', blocks * m, columns);
    const gatheredMatrix = asMatrix(gathered);
    const norm = () =>
      new GatherNorm(context, {
        layout: this.layout,
        x: float32(x),
        z,
        gathered: float32(gathered),
      });
    return {
      z,
      norm: this.#normalized ? norm() : null,
      ...(gathered.dtype === 'float32'
        ? { own: float32(x), gathered }
        : { own: bytesOf(x), gathered: bytesOf(gathered) }),
      gatheredMatrix,
      blocks: range(blocksHere).map((j) => {
        const weight = asMatrix(elementOf(context.inputs, 1 + j));
        const own = (firstBlock + j) * m;
        const sides = [
          { from: 0, width: own },
          { from: own + m, width: (blocks - 1) * m - own },
        ].filter((side) => side.width > 0);
        return {
          x: matrixRows(asMatrix(x), j * m, m),
          z: matrixRows(asMatrix(z), j * n, n),
          ownWeight: matrixColumns(weight, own, m),
          sides: sides.map(({ from, width }) => ({
            weight: matrixColumns(weight, from, width),
            x: matrixRows(gatheredMatrix, from, width),
          })),
        };
      }),
      gradients: null,
    };
  }

  /** How the blocks' parts of dx meet. */
  #planReturn(context: OperatorContext, received: Tensor, each: number) {
    const columns = received.shape[1] ?? 1;
    const targets: Matrix[] = [];
    const startReturn = this.#startReturn(context, received, [each, columns]);
    return { startReturn, targets, received };
  }

  #startReturn(
    context: OperatorContext,
    received: Tensor,
    [each, columns]: readonly [number, number],
  ): StartReturn {
    const { layout } = this;
    if (this.#compute === 'bfloat16') {
      const place = { context, layout, ghosts: each, inUse: each, columns };
      const encoded = new EncodedReturn('bfloat16', place, received);
      return (contribute) => encoded.start(contribute);
    }
    const whole = [layout.blocks * each, columns] as const;
    const send = context.buffer('contribution', ...whole);
    const { engine, communicator } = context;
    const sum = new BlockSum(engine, layout.blocksHere, () => engine.allocate(whole));
    return (contribute) => {
      sum.into(send, contribute);
      return communicator.startReduceScatterSum(send, received);
    };
  }

  #planBackward(context: OperatorContext, dz: AnyTensor): BackwardPlan {
    const { blocks, blocksHere } = this.layout;
    const [m, n] = [this.#inputWidth, this.#outputWidth];
    const columns = dz.shape[1] ?? 1;
    const each = this.#normalized ? m + 1 : m;
    const received = () => context.buffer('received', blocksHere * each, columns);
    return {
      input: context.needsGradient(0) ? this.#planReturn(context, received(), each) : null,
      blocks: range(blocksHere).map((j) => ({
        weight: asMatrix(elementOf(context.inputs, 1 + j)),
        dz: matrixRows(asMatrix(dz), j * n, n),
        dW: asMatrix(context.gradient(1 + j) ?? context.buffer(`unused ${j}`, n, blocks * m)),
      })),
    };
  }
}

type StartReturn = (contribute: Contribute) => PendingCollective;

interface Plan {
  readonly z: Tensor;
  readonly norm: GatherNorm | null;
  /** What is sent, and where what all send arrives. */
  readonly own: Tensor | Bytes;
  readonly gathered: Tensor | Bytes;
  readonly gatheredMatrix: Matrix;
  readonly blocks: readonly {
    readonly x: Matrix;
    readonly z: Matrix;
    readonly ownWeight: Matrix;
    readonly sides: readonly { readonly weight: Matrix; readonly x: Matrix }[];
  }[];
  gradients: BackwardPlan | null;
}

interface BackwardPlan {
  readonly blocks: readonly { readonly weight: Matrix; readonly dz: Matrix; readonly dW: Matrix }[];
  readonly input: {
    readonly startReturn: StartReturn;
    readonly targets: Matrix[];
    readonly received: Tensor;
  } | null;
}
