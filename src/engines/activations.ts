/** One step of an activation written as ONNX operators: its name, the operator, and what it takes:
 * `z`, earlier steps by name, or constants. */
export type OnnxStep = readonly [name: string, operator: string, ...inputs: (string | number)[]];

/** What is known of an activation besides its kernels (`kernels/activations.ts`). */
export interface ActivationDescription {
  /** Its number among the kernels. */
  readonly kernel: number;
  /** E[f(u)²] for u ~ N(0, 1), by numerical integration except where it is exact. */
  readonly secondMoment: number;
  /** In opset 17; the last step is the result. */
  readonly onnx: readonly OnnxStep[];
}

/** The element-wise functions between linear layers. */
export const ACTIVATIONS = {
  relu: { kernel: 0, secondMoment: 0.5, onnx: [['relu', 'Relu', 'z']] },
  /** The exact form, z·Φ(z) = z·(1 + erf(z/√2))/2: opset 17 has no operator of that name. */
  gelu: {
    kernel: 1,
    secondMoment: 0.425_221_482_55,
    onnx: [
      ['u', 'Mul', 'z', Math.SQRT1_2],
      ['erf', 'Erf', 'u'],
      ['sum', 'Add', 'erf', 1],
      ['product', 'Mul', 'z', 'sum'],
      ['gelu', 'Mul', 'product', 0.5],
    ],
  },
  silu: {
    kernel: 2,
    secondMoment: 0.355_775_519_8,
    onnx: [
      ['sigmoid', 'Sigmoid', 'z'],
      ['silu', 'Mul', 'z', 'sigmoid'],
    ],
  },
  tanh: { kernel: 3, secondMoment: 0.394_294_490_38, onnx: [['tanh', 'Tanh', 'z']] },
  identity: { kernel: 4, secondMoment: 1, onnx: [] },
  /** eᶻ − 1 below zero; ½ + e²Φ(−2) − 2√e Φ(−1) + ½. */
  elu: { kernel: 5, secondMoment: 0.644_945_417_49, onnx: [['elu', 'Elu', 'z']] },
  /** z/100 below zero, PyTorch's and ONNX's default. */
  'leaky-relu': { kernel: 6, secondMoment: 0.500_05, onnx: [['leaky', 'LeakyRelu', 'z']] },
  /** sin z; (1 − e⁻²)/2. */
  sine: { kernel: 7, secondMoment: 0.432_332_358_38, onnx: [['sine', 'Sin', 'z']] },
} as const satisfies Readonly<Record<string, ActivationDescription>>;

/** The name of an activation function. */
export type Activation = keyof typeof ACTIVATIONS;

/** The activation functions. */
export const ACTIVATION_NAMES = Object.keys(ACTIVATIONS) as Activation[];

/** An activation function that changes something. */
export type Nonlinearity = Exclude<Activation, 'identity'>;

/** Those of the activation functions that change something. */
export const NONLINEARITIES = ACTIVATION_NAMES.filter((name) => name !== 'identity');

export function describeActivation(activation: Activation): ActivationDescription {
  return ACTIVATIONS[activation];
}
