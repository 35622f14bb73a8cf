// A kind of linear layer of your own, in a network of the package. Here each block multiplies its
// own activations only: a block-diagonal matrix, without any communication. The network has a
// phantom layer, a block-diagonal one, and a phantom one; it trains on two ranks.
// node examples/own-layer.js
import { isMainThread } from 'node:worker_threads';
import { Tape } from 'phantom-parallel/autograd';
import { Communicator, launchRanks, runRank } from 'phantom-parallel/communicators';
import { createEngine } from 'phantom-parallel/engines';
import { kindsOf, paddedBytes, ElementwiseLoss } from 'phantom-parallel/layers';
import { buildNetwork } from 'phantom-parallel/model';
import { createOptimizer } from 'phantom-parallel/optimizers';
import { asMatrix, matrixRows, randomStream } from 'phantom-parallel/tensor';

/** @typedef {import('phantom-parallel/layers').LayerSizes} LayerSizes */
/** @typedef {import('phantom-parallel/autograd').Operator} Operator */
/** @typedef {import('phantom-parallel/autograd').OperatorContext} OperatorContext */

/**
 * Features that enter and leave one block.
 *
 * @param {LayerSizes} layer
 */
function blockWidths({ inputs, outputs, blocks }) {
  return { m: inputs / blocks, n: outputs / blocks };
}

/** z_j = W_j x_j in every block j, W_j [n, m]. Inputs: x, then every W_j of the rank. */
class BlockDiagonalLinear {
  /**
   * @param {LayerSizes} layer
   * @param {import('phantom-parallel/layers').BlockLayout} layout
   */
  constructor(layer, layout) {
    this.name = layer.name;
    this.widths = blockWidths(layer);
    this.blocksHere = layout.blocksHere;
  }

  /** @type {Operator['forward']} */
  forward(context, x) {
    const { n } = this.widths;
    const z = context.buffer('z', this.blocksHere * n, x.shape[1] ?? 1);
    for (const { weight, x: x_j, rows } of this.#blocks(context)) {
      context.engine.gemm(false, false, 1, weight, x_j, 0, rows(z));
    }
    return z;
  }

  /**
   * dW_j += dz_j x_jᵀ; dx_j = W_jᵀ dz_j.
   *
   * @type {Operator['backward']}
   */
  backward(context, dz) {
    const { m } = this.widths;
    const dx = context.gradient(0);
    const betaX = dx === null ? 0 : context.gradientBeta(0);
    for (const [j, { weight, x: x_j, rows }] of this.#blocks(context).entries()) {
      const dW = context.gradient(1 + j);
      const beta = context.gradientBeta(1 + j);
      if (dW) context.engine.gemm(false, true, 1, rows(dz), x_j, beta, asMatrix(dW));
      const dx_j = dx && matrixRows(asMatrix(dx), j * m, m);
      if (dx_j) context.engine.gemm(true, false, 1, weight, rows(dz), betaX, dx_j);
    }
  }

  /**
   * The rank's blocks, as views that are made once.
   *
   * @param {OperatorContext} context
   */
  #blocks(context) {
    const { m, n } = this.widths;
    return context.plan(() => {
      const [x, ...weights] = context.inputs;
      if (x === undefined) throw new Error('no input');
      return weights.map((weight, j) => ({
        weight: asMatrix(weight),
        x: matrixRows(asMatrix(x), j * m, m),
        /** @param {import('phantom-parallel/tensor').AnyTensor} z */
        rows: (z) => matrixRows(asMatrix(z), j * n, n),
      }));
    });
  }
}

/** @type {import('phantom-parallel/layers').LayerKind} */
const blockDiagonal = {
  name: 'block-diagonal',
  input: 'sharded',
  output: 'sharded',
  inputGradient: 'added',

  // One tensor per block, `layers.1.weight.0` and so on; the bias comes with the activation.
  parameters(layer) {
    const { m, n } = blockWidths(layer);
    return [{ part: 'weight', shape: [n, m], variance: 1 / (m * layer.secondMoment), place: null }];
  },

  // What the operator calls, for FLOPs, bytes and times before anything runs.
  forward(layer, list) {
    const { m, n } = blockWidths(layer);
    list.eachBlock(() => list.product('local', 'NN', n, m));
  },
  backward(layer, list, inputNeedsGradient) {
    const { m, n } = blockWidths(layer);
    list.eachBlock(() => {
      list.product('local', 'NT', n, m);
      if (inputNeedsGradient) list.product('local', 'TN', m, n);
    });
  },

  memory(layer, { layout, columns, inputNeedsGradient }) {
    const { m, n } = blockWidths(layer);
    const bytes = (/** @type {number} */ rows) => paddedBytes(layout.blocksHere * rows * columns);
    return { activationBytes: bytes(n) + (inputNeedsGradient ? bytes(m) : 0), bufferBytes: 0 };
  },

  operator: (layer, layout) => new BlockDiagonalLinear(layer, layout),

  // The whole matrix, for exports.
  dense(layer, shards, out) {
    const { m, n } = blockWidths(layer);
    shards.engine.fill(out, 0);
    for (let j = 0; j < layer.blocks; j++) {
      const weight = shards.read(`${layer.name}.weight.${j}`, [n, m]);
      for (let row = 0; row < n; row++) {
        out.data.set(weight.subarray(row * m, (row + 1) * m), (j * n + row) * layer.inputs + j * m);
      }
    }
  },
};

const [WIDTH, BATCH, STEPS] = [64, 32, 30];

if (isMainThread) {
  const { done } = launchRanks({ size: 2, module: new URL(import.meta.url) });
  const [first] = /** @type {{ costs: string[], losses: number[] }[]} */ (await done);
  for (const line of first?.costs ?? []) console.log(line);
  console.log(`loss ${first?.losses[0]} → ${first?.losses.at(-1)} in ${STEPS} steps`);
} else {
  await runRank(async ({ transport }) => {
    const engine = await createEngine('auto');
    const communicator = new Communicator(transport);
    const depth = 3;
    const phantom = kindsOf('phantom', depth);
    const network = buildNetwork(
      {
        strategy: 'phantom',
        width: WIDTH,
        depth,
        blocks: 4,
        ghosts: 8,
        activation: 'gelu',
        ends: { kind: 'sharded' },
      },
      engine,
      communicator,
      {
        kinds: {
          ...phantom,
          hidden: (layer) => (layer === 1 ? blockDiagonal : phantom.hidden(layer)),
        },
      },
    );
    network.initialize(0);
    const costs = network.costs(BATCH).map(({ name, cost }) => {
      const { flops, sentBytes } = cost.forward;
      return `${name}: ${flops} FLOPs and ${sentBytes} bytes sent per forward pass of a rank`;
    });

    const optimizer = createOptimizer(
      { name: 'adam', weightDecay: 0, momentum: 0, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
      engine,
      network.parameters,
    );
    const rows = WIDTH / communicator.size;
    const tape = new Tape(engine, communicator);
    const x = tape.variable(engine.allocate([rows, BATCH]));
    const y = tape.variable(engine.allocate([rows, BATCH]));
    for (const [name, { value }] of Object.entries({ x, y })) {
      const numbers = new Float32Array(value.length);
      randomStream(1, `${name} ${communicator.rank}`).fillNormal(numbers, 0);
      engine.toDevice(numbers, value);
    }
    const loss = new ElementwiseLoss({
      name: 'mse',
      scale: 1 / (WIDTH * BATCH),
      columns: BATCH,
      blocks: network.layout.blocksHere,
    });

    const losses = [];
    for (let step = 1; step <= STEPS; step++) {
      for (const parameter of network.parameters) parameter.clearGradient();
      tape.begin();
      const output = tape.apply(loss, network.forward(tape, x), y);
      tape.backward(output);
      optimizer.step(step, 1e-2, 1);
      const { blockSums } = loss.read(engine);
      const sum = Float64Array.of(blockSums.reduce((a, b) => a + b, 0) * loss.scale);
      communicator.allReduceSum(sum);
      losses.push(Number(sum[0]?.toFixed(4)));
    }
    return { costs, losses };
  });
}
