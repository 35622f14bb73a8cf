import type { Operator, OperatorContext } from '../../autograd/operator.js';
import type { Activation } from '../../engines/activations.js';
import {
  type AnyTensor,
  type Dtype,
  float32,
  type Tensor,
  tensorRows,
} from '../../tensor/tensor.js';
import { elementOf } from '../element-of.js';

/**
 * A gated unit: adds the biases, and multiplies one half of each block's rows by the activation of
 * the other. Element-wise, so each rank works on its own rows.
 *
 * | tensor | shape, for each block j of the rank one below the other | |
 * |---|---|---|
 * | z_j | [2n, B] | input, rows a_j above rows b_j; holds z_j + bias_j afterwards |
 * | bias_j | [2n] | of a_j, then of b_j |
 * | s_j | [n, B] | φ(a_j) |
 * | y_j | [n, B] | output |
 *
 * Inputs: z, then every bias_j.
 *
 * Forward: s_j = φ(a_j), y_j = s_j ∘ b_j, both with their bias. Backward: da_j = dy_j ∘ b_j ∘ φ′(a_j),
 * db_j = dy_j ∘ s_j; dbias_j += row sums of both. No collective, no matrix product. Saved: z + bias,
 * s, y. Overwrites z, which no linear layer saves. For products that take bfloat16, da and db can be
 * that: they are rounded as they are written.
 *
 * Source: Shazeer, "GLU variants improve transformer", arXiv:2002.05202.
 */
export class Gated implements Operator {
  readonly name: string;
  readonly activation: Activation;
  readonly #gradient: Dtype;

  /** @param gradient of da and db */
  constructor(name: string, activation: Activation, gradient: Dtype = 'float32') {
    this.name = name;
    this.activation = activation;
    this.#gradient = gradient;
  }

  forward(context: OperatorContext, z: Tensor): Tensor {
    const { engine } = context;
    const plan = context.plan(() => this.#plan(context, z));
    for (const { a, b, s, y, bias } of plan.blocks) {
      engine.biasActivation(this.activation, a, bias.a, s);
      engine.biasActivation('identity', b, bias.b, b);
      engine.multiply(s, b, y);
    }
    return plan.y;
  }

  backward(context: OperatorContext, dy: Tensor): void {
    const { engine } = context;
    const z = float32(elementOf(context.inputs, 0));
    const plan = context.plan(() => this.#plan(context, z));
    const dz: AnyTensor = context.bufferOf(this.#gradient, 'dz', ...z.shape);
    plan.gradients ??= plan.blocks.map(({ rows }, j) => {
      const dBias = context.gradient(1 + j);
      const [da, db] = [
        tensorRows(dz, 2 * j * rows, rows),
        tensorRows(dz, (2 * j + 1) * rows, rows),
      ];
      const product = (of: AnyTensor) =>
        of.dtype === 'float32' ? of : context.buffer('product', ...of.shape);
      return {
        da,
        db,
        productA: product(da),
        productB: product(db),
        dy: tensorRows(dy, j * rows, rows),
        dBias: dBias && halvesOf(dBias, rows),
      };
    });
    for (const [j, { da, db, productA, productB, dy: own, dBias }] of plan.gradients.entries()) {
      const { a, b, s } = elementOf(plan.blocks, j);
      const beta = dBias === null ? 0 : context.gradientBeta(1 + j);
      const [dBiasA, dBiasB] = [dBias?.a ?? null, dBias?.b ?? null];
      // Rounded, both products use the same memory in turn.
      engine.multiply(own, b, productA);
      engine.biasActivationGradient(this.activation, a, s, productA, da, beta, dBiasA);
      engine.multiply(own, s, productB);
      engine.biasActivationGradient('identity', b, b, productB, db, beta, dBiasB);
    }
    context.giveGradient(0, dz);
  }

  #plan(context: OperatorContext, z: Tensor): Plan {
    const [all = 0, columns = 0] = z.shape;
    const biases = context.inputs.slice(1).map(float32);
    const rows = all / 2 / biases.length;
    const s = context.buffer('s', all / 2, columns);
    const y = context.buffer('y', all / 2, columns);
    const blocks = biases.map((bias, j) => ({
      rows,
      a: tensorRows(z, 2 * j * rows, rows),
      b: tensorRows(z, (2 * j + 1) * rows, rows),
      s: tensorRows(s, j * rows, rows),
      y: tensorRows(y, j * rows, rows),
      bias: halvesOf(bias, rows),
    }));
    return { y, blocks, gradients: null };
  }
}

interface Halves {
  readonly a: Tensor;
  readonly b: Tensor;
}

function halvesOf(bias: Tensor, rows: number): Halves {
  return { a: tensorRows(bias, 0, rows), b: tensorRows(bias, rows, rows) };
}

interface Plan {
  readonly y: Tensor;
  readonly blocks: readonly (Halves & {
    /** n */
    readonly rows: number;
    readonly s: Tensor;
    readonly y: Tensor;
    readonly bias: Halves;
  })[];
  gradients:
    | readonly {
        readonly da: AnyTensor;
        readonly db: AnyTensor;
        /** dy ∘ b and dy ∘ s: da and db themselves, unless those are rounded. */
        readonly productA: Tensor;
        readonly productB: Tensor;
        readonly dy: Tensor;
        readonly dBias: Halves | null;
      }[]
    | null;
}
