// Write an operator with its gradient, and check the one against the other.
// node examples/own-operator.js
import { checkGradients } from 'phantom-parallel/autograd';
import { createEngine } from 'phantom-parallel/engines';

/** softplus(x) = log(1 + eˣ), element by element. */
const softplus = {
  name: 'softplus',

  /** @type {import('phantom-parallel/autograd').Operator['forward']} */
  forward(context, x) {
    // A buffer is allocated at the first call and handed out again at every later one.
    const output = context.buffer('output', ...x.shape);
    for (const [i, value] of x.data.entries()) {
      output.data[i] = Math.max(value, 0) + Math.log1p(Math.exp(-Math.abs(value)));
    }
    return output;
  },

  /** @type {import('phantom-parallel/autograd').Operator['backward']} */
  backward(context, dOutput) {
    const [x] = context.inputs;
    if (!x) return;
    const dx = context.buffer('dx', ...x.shape);
    for (const [i, value] of x.data.entries()) {
      dx.data[i] = (dOutput.data[i] ?? 0) / (1 + Math.exp(-value));
    }
    context.giveGradient(0, dx);
  },
};

const engine = await createEngine('auto');
for (const { input, error } of checkGradients(softplus, [[6, 5]], { engine })) {
  console.log(`input ${input}: largest relative error ${error.toExponential(1)}`);
  if (error > 1e-2) throw new Error('the gradient is wrong');
}
