// Write an operator with its gradient, and check the one against the other.
// node examples/own-operator.js
import { checkGradients } from 'phantom-parallel/autograd';
import { createEngine } from 'phantom-parallel/engines';
import { float32 } from 'phantom-parallel/tensor';

/** softplus(x) = log(1 + eˣ), element by element. */
const softplus = {
  name: 'softplus',

  /** @type {import('phantom-parallel/autograd').Operator['forward']} */
  forward(context, x) {
    // A buffer is allocated at the first call and handed out again at every later one.
    const output = context.buffer('output', ...x.shape);
    // What JavaScript computes goes to the host and back; an engine's own kernels need neither.
    const y = context.engine
      .toHost(float32(x))
      .map((value) => Math.max(value, 0) + Math.log1p(Math.exp(-Math.abs(value))));
    context.engine.toDevice(y, output);
    return output;
  },

  /** @type {import('phantom-parallel/autograd').Operator['backward']} */
  backward(context, dOutput) {
    const [x] = context.inputs;
    if (!x) return;
    const dx = context.buffer('dx', ...x.shape);
    const slopes = context.engine.toHost(float32(x)).map((value) => 1 / (1 + Math.exp(-value)));
    context.engine.toDevice(slopes, dx);
    context.engine.multiply(dx, float32(dOutput), dx);
    context.giveGradient(0, dx);
  },
};

const engine = await createEngine('auto');
for (const { input, error } of checkGradients(softplus, [[6, 5]], { engine })) {
  console.log(`input ${input}: largest relative error ${error.toExponential(1)}`);
  if (error > 1e-2) throw new Error('the gradient is wrong');
}
