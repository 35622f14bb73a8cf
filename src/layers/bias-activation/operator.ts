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
 * Adds a bias to each row and applies the activation, in one pass over memory; element-wise, so
 * each rank works on its own rows.
 *
 * | tensor | shape | |
 * |---|---|---|
 * | z | [rows, B] | input; holds z + b afterwards |
 * | b_j `bias` | [rows of block j] | one tensor a block, or none at all |
 * | a | [rows, B] | output |
 *
 * Inputs: z, then every b_j, in row order.
 *
 * Forward: a = activation(z + b). Backward: dz = da · activation′(z + b); db_j += row sums of dz.
 * No collective, no matrix product. Saved: z + b, a. Overwrites z, which no linear layer saves.
 *
 * For products that take bfloat16, `a` and dz can be that: they are rounded as they are written, dz
 * after it was summed.
 */
export class BiasActivation implements Operator {
  readonly name: string;
  readonly activation: Activation;
  readonly #output: Dtype;
  readonly #gradient: Dtype;

  /** @param output of a @param gradient of dz */
  constructor(
    name: string,
    activation: Activation,
    output: Dtype = 'float32',
    gradient: Dtype = 'float32',
  ) {
    this.name = name;
    this.activation = activation;
    this.#output = output;
    this.#gradient = gradient;
  }

  forward(context: OperatorContext, z: Tensor): AnyTensor {
    const plan = context.plan(() => this.#plan(context, z));
    for (const part of plan.parts) {
      context.engine.biasActivation(this.activation, part.z, part.bias, part.output);
    }
    return plan.output;
  }

  backward(context: OperatorContext, dOutput: Tensor): void {
    const given = float32(elementOf(context.inputs, 0));
    const plan = context.plan(() => this.#plan(context, given));
    const dz: AnyTensor = context.bufferOf(this.#gradient, 'dz', ...given.shape);
    for (const [j, part] of plan.parts.entries()) {
      part.backward ??= {
        dOutput: tensorRows(dOutput, part.from, part.rows),
        dz: tensorRows(dz, part.from, part.rows),
        dBias: part.bias && context.gradient(1 + j),
      };
      const { dOutput: dOut, dz: dzPart, dBias } = part.backward;
      const beta = dBias === null ? 0 : context.gradientBeta(1 + j);
      const { z, output } = part;
      context.engine.biasActivationGradient(this.activation, z, output, dOut, dzPart, beta, dBias);
    }
    context.giveGradient(0, dz);
  }

  #plan(context: OperatorContext, z: Tensor): Plan {
    const output: AnyTensor = context.bufferOf(this.#output, 'output', ...z.shape);
    const biases = context.inputs.slice(1).map(float32);
    let from = 0;
    const part = (rows: number, bias: Tensor | null): Part => {
      const start = from;
      from += rows;
      return {
        from: start,
        rows,
        bias,
        z: tensorRows(z, start, rows),
        output: tensorRows(output, start, rows),
        backward: null,
      };
    };
    const rows = z.shape[0] ?? 1;
    return {
      output,
      parts:
        biases.length === 0 ? [part(rows, null)] : biases.map((bias) => part(bias.length, bias)),
    };
  }
}

interface Plan {
  readonly output: AnyTensor;
  readonly parts: readonly Part[];
}

interface Part {
  readonly from: number;
  readonly rows: number;
  readonly bias: Tensor | null;
  readonly z: Tensor;
  readonly output: AnyTensor;
  backward: {
    readonly dOutput: Tensor;
    readonly dz: AnyTensor;
    readonly dBias: Tensor | null;
  } | null;
}
