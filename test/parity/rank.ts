// One rank of the parity tests: forward and backward passes of networks on given data.
import { DropoutDraws } from '#src/layers/dropout/draws.js';
import type { LossName, LossOptions } from '#src/layers/loss-names.js';
import { createEngine } from '#src/app/ranks/engines.js';
import { Tape } from '#src/autograd/tape.js';
import { Communicator } from '#src/communicators/communicator.js';
import { runRank } from '#src/communicators/threads/threads-worker.js';
import type { Engine } from '#src/engines/engine.js';
import { buildNetwork } from '#src/model/network.js';
import type { NetworkSpecification } from '#src/model/specification.js';
import type { EngineChoice } from '#src/engines/engine-list.js';
import { createObjective } from '#src/training/objective.js';

export interface PassRequest {
  readonly specification: NetworkSpecification;
  readonly engine: EngineChoice;
  readonly relaxedSimd: boolean;
  readonly loss: LossName;
  readonly lossOptions: LossOptions;
  /** Whether the last row of y is weights. */
  readonly weighted: boolean;
  readonly seed: number;
  /** Whose draws of dropout are taken. */
  readonly step: number;
  readonly columns: number;
  /** [features, columns] and [targets, columns] or [columns]. */
  readonly x: Float32Array;
  readonly y: Float32Array;
  /** Passes before the one that is reported: gradients must not leak from one to the next. */
  readonly passes: number;
}

export interface PassResult {
  readonly lossSum: number;
  readonly lossScale: number;
  readonly sharded: boolean;
  readonly correct: number;
  readonly allocatedBytes: number;
  readonly parameters: {
    readonly name: string;
    readonly shape: readonly number[];
    readonly slice: { shape: readonly number[]; row: number; column: number } | null;
    readonly value: Float32Array;
    readonly gradient: Float32Array;
  }[];
}

/** All in one start of the ranks, which takes longer than a pass. */
await runRank<readonly PassRequest[]>(
  async ({ data, transport, uninterrupted }): Promise<PassResult[]> => {
    const communicator = new Communicator(transport);
    const results: PassResult[] = [];
    for (const request of data) {
      const { relaxedSimd } = request;
      const engine = await uninterrupted(() => createEngine(request.engine, { relaxedSimd }));
      results.push(resultOf(request, engine, communicator));
    }
    return results;
  },
);

function resultOf(data: PassRequest, engine: Engine, communicator: Communicator): PassResult {
  const network = buildNetwork(data.specification, engine, communicator);
  network.initialize(data.seed);
  network.useDropout(Object.assign(new DropoutDraws(data.seed), { step: data.step }));
  const { columns, specification, loss, lossOptions, weighted } = data;
  const { layout } = network;
  const sizes = { columns, samples: columns };
  const objective = createObjective({
    ...{ specification, loss, lossOptions, weighted, layout, engine },
    ...sizes,
  });
  const tape = new Tape(engine, communicator);
  for (let pass = 0; pass <= data.passes; pass++) {
    for (const parameter of network.parameters) parameter.clearGradient();
    objective.read({
      kind: 'training',
      step: 0,
      microBatch: 0,
      index: 0,
      columns,
      validColumns: columns,
      x: data.x,
      y: data.y,
    });
    tape.begin();
    const output = network.forward(tape, objective.x);
    tape.backward(tape.apply(objective.loss, output, objective.y));
  }
  const { blockSums, correct } = objective.loss.read(engine);
  return {
    lossSum: blockSums.reduce((sum, value) => sum + value, 0),
    lossScale: objective.loss.scale,
    sharded: objective.sharded,
    correct,
    allocatedBytes: engine.allocatedBytes,
    parameters: network.parameters.map(({ name, slice, value, computedGradient }) => ({
      name,
      slice,
      shape: value.shape,
      value: engine.toHost(value).slice(),
      gradient: engine.toHost(computedGradient).slice(),
    })),
  };
}
