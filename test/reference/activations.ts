import type { Activation } from '#src/engines/activations.js';

/** The error function from its series of positive terms, for |x| ≤ 6. */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; n < 200; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const distribution = (x: number) => 0.5 * (1 + erf(x * Math.SQRT1_2));
const density = (x: number) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);

/** Every activation and its derivative, in float64. */
export const REFERENCE_ACTIVATIONS: Readonly<
  Record<Activation, { value: (x: number) => number; slope: (x: number) => number }>
> = {
  relu: { value: (x) => (x < 0 ? 0 : x), slope: (x) => (x <= 0 ? 0 : 1) },
  gelu: { value: (x) => x * distribution(x), slope: (x) => distribution(x) + x * density(x) },
  silu: {
    value: (x) => x * sigmoid(x),
    slope: (x) => sigmoid(x) * (1 + x * (1 - sigmoid(x))),
  },
  tanh: { value: (x) => Math.tanh(x), slope: (x) => 1 - Math.tanh(x) ** 2 },
  elu: { value: (x) => (x > 0 ? x : Math.expm1(x)), slope: (x) => (x > 0 ? 1 : Math.exp(x)) },
  'leaky-relu': { value: (x) => (x > 0 ? x : x / 100), slope: (x) => (x > 0 ? 1 : 0.01) },
  sine: { value: Math.sin, slope: Math.cos },
  identity: { value: (x) => x, slope: () => 1 },
};
