// One rank of the accounting tests: a training step of a network, counted.
import {
  buildNetwork,
  countedParts,
  createEngine,
  createObjective,
  createOptimizer,
  type NetworkSpecification,
  type OptimizerName,
  runRank,
  Tape,
} from 'phantom-parallel';

export interface CountRequest {
  readonly specification: NetworkSpecification;
  readonly columns: number;
  readonly optimizer: OptimizerName;
}

export interface Counts {
  readonly flops: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

export interface CountResult {
  readonly forward: Counts;
  readonly total: Counts;
  /** Sums of what the operators state as their cost. */
  readonly stated: Counts;
  readonly allocatedBytes: number;
  readonly parameters: number;
}

await runRank<CountRequest>(async ({ data, transport }): Promise<CountResult> => {
  const { specification, columns } = data;
  const { engine, communicator, meters } = countedParts(await createEngine('wasm'), transport);
  const network = buildNetwork(specification, engine, communicator);
  const options = { momentum: 0, beta1: 0.9, beta2: 0.9, epsilon: 1e-8, weightDecay: 0 };
  createOptimizer({ ...options, name: data.optimizer }, engine, network.parameters);
  network.initialize(0);
  const objective = createObjective(
    ...([specification, 'mse', network.layout, engine, columns, columns] as const),
  );
  const tape = new Tape(engine, communicator);
  const read = (): Counts => ({
    flops: meters.flops(),
    sentBytes: meters.sentBytes(),
    receivedBytes: meters.receivedBytes(),
  });
  const output = network.forward(tape, objective.x);
  const loss = tape.apply(objective.loss, output, objective.y);
  const forward = read();
  tape.backward(loss);
  const costs = network.costs(columns).flatMap(({ cost }) => [cost.forward, cost.backward]);
  const stated = { flops: 0, sentBytes: 0, receivedBytes: 0 };
  for (const cost of costs) {
    stated.flops += cost.flops;
    stated.sentBytes += cost.sentBytes;
    stated.receivedBytes += cost.receivedBytes;
  }
  return {
    forward,
    stated,
    total: read(),
    allocatedBytes: engine.allocatedBytes,
    parameters: network.parameters.reduce((sum, { value }) => sum + value.data.length, 0),
  };
});
