// One rank of the tests of phantom layers: passes with given ghosts in use, gradients summed.
import { createEngine } from '#src/app/ranks/engines.js';
import { Tape, type Variable } from '#src/autograd/tape.js';
import { Communicator } from '#src/communicators/communicator.js';
import { runRank } from '#src/communicators/threads/threads-worker.js';
import { blockLayout } from '#src/layers/block-layout.js';
import { PhantomLinear } from '#src/layers/phantom/operator.js';
import type { Nonlinearity } from '#src/engines/activations.js';
import type { Engine } from '#src/engines/engine.js';
import type { EngineChoice } from '#src/engines/engine-list.js';
import type { GhostPrecision } from '#src/tensor/precision.js';
import { randomStream } from '#src/tensor/random.js';
import { numbersOf } from '../support/numbers.js';

export interface PhantomRequest {
  readonly engine: EngineChoice;
  readonly precision: GhostPrecision;
  /** Default: none. */
  readonly activation?: Nonlinearity;
  readonly blocks: number;
  readonly blockWidth: number;
  readonly ghosts: number;
  readonly columns: number;
  /** Ghosts in use in each pass of a step; the last pass is reported, gradients are sums. */
  readonly passes: readonly number[];
  /** Steps: gradients must not leak from one to the next. */
  readonly steps: number;
}

/** A tensor of one block: by name, what it held and its gradient. */
export interface PhantomTensor {
  readonly name: string;
  readonly block: number;
  readonly shape: readonly number[];
  readonly value: Float32Array;
  readonly gradient: Float32Array;
}

await runRank<readonly PhantomRequest[]>(async ({ data, transport, uninterrupted }) => {
  const communicator = new Communicator(transport);
  const results: PhantomTensor[][] = [];
  for (const request of data) {
    const engine = await uninterrupted(() => createEngine(request.engine));
    results.push(passes(request, engine, communicator));
  }
  return results;
});

function passes(
  request: PhantomRequest,
  engine: Engine,
  communicator: Communicator,
): PhantomTensor[] {
  const { blockWidth: M, ghosts: K, columns: B, blocks: P, precision } = request;
  const layout = blockLayout(P, communicator.size, communicator.rank);
  const here = Array.from({ length: layout.blocksHere }, (_, j) => layout.firstBlock + j);
  const tape = new Tape(engine, communicator);
  const draw = (name: string, shape: number[]): Variable => {
    const variable = tape.variable(engine.allocate(shape), true);
    randomStream(5, name).fillNormal(numbersOf(variable.value), 0);
    return variable;
  };
  const draws = { local: [M, M], compressor: [K, M], decompressor: [M, (P - 1) * K] };
  const weights = Object.entries(draws).flatMap(([name, shape]) =>
    here.map((block) => ({ name, block, variable: draw(`${name} ${block}`, shape) })),
  );
  const rows = (name: string): Variable => {
    const whole = new Float32Array(P * M * B);
    randomStream(5, name).fillNormal(whole, 0);
    const variable = tape.variable(engine.allocate([here.length * M, B]), true);
    const first = layout.firstBlock * M * B;
    numbersOf(variable.value).set(whole.subarray(first, first + variable.value.length));
    return variable;
  };
  const [x, dz] = [rows('x'), rows('dz').value];
  const operator = new PhantomLinear(
    {
      ...{ name: 'phantom', inputs: P * M, outputs: P * M, ghosts: K, ghostPrecision: precision },
      ghostActivation: request.activation ?? null,
    },
    layout,
  );
  let z: Variable = x;
  const sums = [x, ...weights.map(({ variable }) => variable)].map(
    ({ value }) => new Float32Array(value.length),
  );
  for (let step = 0; step < request.steps; step++) {
    for (const sum of sums) sum.fill(0);
    for (const inUse of request.passes) {
      operator.ghostsInUse = inUse;
      tape.begin();
      z = tape.apply(operator, x, ...weights.map(({ variable }) => variable));
      tape.backward(z, dz);
      // Data, not parameters: the tape writes their gradients anew in every pass.
      for (const [i, variable] of [x, ...weights.map((one) => one.variable)].entries()) {
        const gradient = variable.gradient ? numbersOf(variable.gradient) : [];
        sums[i].set(sums[i].map((sum, e) => sum + (gradient[e] ?? Number.NaN)));
      }
    }
  }
  const ofRows = (name: string, value: Float32Array, gradient: Float32Array) => ({
    name,
    block: layout.firstBlock,
    shape: [here.length * M, B],
    value: value.slice(),
    gradient: gradient.slice(),
  });
  return [
    ofRows('x', numbersOf(x.value), sums[0]),
    ofRows('z', numbersOf(z.value), numbersOf(dz)),
    ...weights.map(({ name, block, variable }, i) => ({
      name,
      block,
      shape: variable.value.shape,
      value: numbersOf(variable.value).slice(),
      gradient: sums[i + 1],
    })),
  ];
}
