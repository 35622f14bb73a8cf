// The same, without the training command's loop: every rank runs this file, builds its part of a
// phantom network, and trains it on random numbers.
// node examples/own-loop.js
import { isMainThread } from 'node:worker_threads';
import { Tape } from 'phantom-parallel/autograd';
import { Communicator, launchRanks, runRank } from 'phantom-parallel/communicators';
import { createEngine } from 'phantom-parallel/engines';
import { ElementwiseLoss } from 'phantom-parallel/layers';
import { buildNetwork } from 'phantom-parallel/model';
import { createOptimizer } from 'phantom-parallel/optimizers';
import { randomStream } from 'phantom-parallel/tensor';

const [WIDTH, BATCH, STEPS] = [64, 32, 30];

if (isMainThread) {
  const module = new URL(import.meta.url);
  const results = /** @type {number[][]} */ (await launchRanks({ size: 2, module }).done);
  const losses = results[0] ?? [];
  console.log(`loss ${losses[0]} → ${losses.at(-1)} in ${STEPS} steps`);
} else {
  await runRank(async ({ transport }) => {
    const engine = await createEngine('auto');
    const communicator = new Communicator(transport);
    const network = buildNetwork(
      {
        strategy: 'phantom',
        width: WIDTH,
        depth: 2,
        blocks: 4,
        ghosts: 8,
        activation: 'gelu',
        ends: { kind: 'sharded' },
      },
      engine,
      communicator,
    );
    network.initialize(0);
    const optimizer = createOptimizer(
      { name: 'adam', weightDecay: 0, momentum: 0, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
      engine,
      network.parameters,
    );

    // Each rank holds its rows of input and target: feature-major, [rows, BATCH].
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
    return losses;
  });
}
