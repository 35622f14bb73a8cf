// One rank of the accounting tests: a training step of each network, counted.
import { DropoutDraws } from '#src/layers/dropout/draws.js';
import type { Operation, Start } from '#src/layers/operations.js';
import type { StepShape } from '#src/analysis/step-program.js';
import { createEngine } from '#src/app/ranks/engines.js';
import { countedParts } from '#src/app/ranks/rank-parts.js';
import { Tape } from '#src/autograd/tape.js';
import type {
  Communicator,
  Moved,
  PendingCollective,
  Summed,
  Transport,
} from '#src/communicators/communicator.js';
import { byteLength } from '#src/communicators/operands.js';
import { RecordingTransport } from '#src/communicators/recording/recording-transport.js';
import { runRank } from '#src/communicators/threads/threads-worker.js';
import type { Engine } from '#src/engines/engine.js';
import { buildNetwork } from '#src/model/network.js';
import { WeightAverage } from '#src/optimizers/weight-average.js';
import { createOptimizer } from '#src/optimizers/optimizer.js';
import { USUAL_LOSS } from '#src/layers/loss-names.js';
import { createObjective } from '#src/training/objective.js';
import { called } from './called.js';

export interface Counts {
  readonly flops: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly collectives: number;
}

export interface CountResult {
  readonly forward: Counts;
  readonly total: Counts;
  /** Sums of what the operators state as their cost. */
  readonly stated: Counts;
  readonly allocatedBytes: number;
  readonly parameters: number;
  /** Every call of a kernel or collective, in order, in the words of `called`. */
  readonly calls: readonly string[];
}

/** Notes the kernels of a step, on the way to the engine. */
function notingEngine(engine: Engine, note: (operation: Operation) => void): Engine {
  const elements = (kernel: string, tensor: { readonly length: number }) =>
    note({
      kind: 'elements',
      kernel: kernel as 'add',
      pass: 'forward',
      elements: tensor.length,
      columns: 1,
    });
  const noted: Partial<Engine> = {
    gemm(transposeA, transposeB, alpha, a, b, beta, c) {
      const inner = transposeA ? a.rows : a.columns;
      const { rows, columns } = c;
      const product = { transposeA, transposeB, rows, columns, inner } as const;
      note({ kind: 'product', part: 'local', pass: 'forward', ...product });
      engine.gemm(transposeA, transposeB, alpha, a, b, beta, c);
    },
    biasActivation(activation, z, bias, out) {
      elements(`activation ${activation}`, z);
      engine.biasActivation(activation, z, bias, out);
    },
    biasActivationGradient(activation, z, out, dOut, dz, betaBias, dBias) {
      elements(`activation gradient ${activation}`, z);
      engine.biasActivationGradient(activation, z, out, dOut, dz, betaBias, dBias);
    },
    encodeRows(precision, x, out) {
      elements(`encode ${precision}`, x);
      engine.encodeRows(precision, x, out);
    },
    decodeRows(precision, encoded, out) {
      elements(`decode ${precision}`, out);
      engine.decodeRows(precision, encoded, out);
    },
    add(a, b, out) {
      elements('add', out);
      engine.add(a, b, out);
    },
    dropout(x, mask, out) {
      elements('dropout', x);
      engine.dropout(x, mask, out);
    },
    multiply(a, b, out) {
      elements('multiply', out);
      engine.multiply(a, b, out);
    },
    axpy(alpha, x, y) {
      elements('axpy', y);
      engine.axpy(alpha, x, y);
    },
    columnDots(a, b, out) {
      elements('column dots', a);
      engine.columnDots(a, b, out);
    },
    scaleColumns(x, factors, out) {
      elements('scale columns', x);
      engine.scaleColumns(x, factors, out);
    },
    addScaledColumns(x, factors, y) {
      elements('add scaled columns', y);
      engine.addScaledColumns(x, factors, y);
    },
    inverseRms(sums, count, out) {
      elements('inverse rms', sums);
      engine.inverseRms(sums, count, out);
    },
    rmsCorrection(dots, inverse, count, out) {
      elements('rms correction', out);
      engine.rmsCorrection(dots, inverse, count, out);
    },
    fill(x, value) {
      elements('fill', x);
      engine.fill(x, value);
    },
    copy(from, to) {
      elements('copy', to);
      engine.copy(from, to);
    },
    elementLoss(loss, z, ...rest) {
      elements(loss.name, z);
      return engine.elementLoss(loss, z, ...rest);
    },
    softmaxCrossEntropy(logits, ...rest) {
      elements('cross-entropy', logits);
      engine.softmaxCrossEntropy(logits, ...rest);
    },
    sgdStep(tensors, ...rest) {
      for (const { weights, states } of tensors) {
        elements(states.length === 0 ? 'sgd' : 'momentum', weights);
      }
      engine.sgdStep(tensors, ...rest);
    },
    adamStep(tensors, ...rest) {
      for (const { weights } of tensors) elements('adam', weights);
      engine.adamStep(tensors, ...rest);
    },
  };
  return through(engine, noted);
}

/** Notes when collectives are started and waited for. */
function notingCommunicator(
  communicator: Communicator,
  note: (operation: Operation) => void,
): Communicator {
  const started = (
    collective: Start['collective'],
    whole: Moved | Summed,
    pending: PendingCollective,
  ): PendingCollective => {
    const wholeBytes = byteLength(whole);
    const start = {
      kind: 'start',
      collective,
      pass: 'forward',
      wholeBytes,
      of: 'network',
    } as const;
    note(start);
    return {
      wait() {
        note({ kind: 'wait', start });
        pending.wait();
      },
    };
  };
  const noted: Partial<Communicator> = {
    startAllGather: (send, receive) =>
      started('all-gather', receive, communicator.startAllGather(send, receive)),
    startAllToAll: (send, receive) =>
      started('all-to-all', send, communicator.startAllToAll(send, receive)),
    startReduceScatterSum: (send, receive) =>
      started('reduce-scatter', send, communicator.startReduceScatterSum(send, receive)),
    startAllReduceSum: (buffer) =>
      started('all-reduce', buffer, communicator.startAllReduceSum(buffer)),
    allReduceSum: (buffer) => noted.startAllReduceSum?.(buffer).wait(),
  };
  return through(communicator, noted);
}

function through<T extends object>(inner: T, replaced: Partial<T>): T {
  return new Proxy(inner, {
    get(target, key) {
      const value: unknown = Reflect.get(key in replaced ? replaced : target, key, target);
      return typeof value === 'function' && !(key in replaced) ? value.bind(target) : value;
    },
  });
}

await runRank<readonly StepShape[]>(async ({ data, transport }): Promise<CountResult[]> => {
  const counted: CountResult[] = [];
  for (const shape of data) counted.push(await countStep(shape, transport));
  return counted;
});

async function countStep(data: StepShape, transport: Transport): Promise<CountResult> {
  const {
    specification,
    columns,
    inputGradient,
    loss: lossName,
    quantiles = 1,
    weighted = false,
  } = data;
  const recorder = new RecordingTransport(transport);
  const { engine, communicator, meters } = countedParts(await createEngine('wasm'), recorder);
  const calls: string[] = [];
  let noting = false;
  const note = (operation: Operation) => {
    if (noting) calls.push(called(operation));
  };
  const notedEngine = notingEngine(engine, note);
  const network = buildNetwork(specification, notedEngine, communicator);
  const options = { momentum: 0.9, beta1: 0.9, beta2: 0.9, epsilon: 1e-8, weightDecay: 0 };
  const optimizer = createOptimizer(
    { ...options, name: data.optimizer },
    notedEngine,
    network.parameters,
  );
  const average = data.average ? new WeightAverage(notedEngine, network.parameters, 0.99) : null;
  network.initialize(0);
  network.useDropout(new DropoutDraws(3));
  average?.begin();
  const objective = createObjective({
    specification,
    loss: lossName,
    lossOptions: { ...USUAL_LOSS, quantiles: [0.1, 0.5, 0.9].slice(0, quantiles) },
    weighted,
    layout: network.layout,
    engine: notedEngine,
    columns,
    samples: columns,
    inputGradient,
  });
  const tape = new Tape(notedEngine, notingCommunicator(communicator, note));
  const read = (): Counts => ({
    flops: meters.flops(),
    sentBytes: meters.sentBytes(),
    receivedBytes: meters.receivedBytes(),
    collectives:
      recorder.record.allGather.calls +
      recorder.record.allToAll.calls +
      recorder.record.reduceScatter.calls +
      recorder.record.allReduce.calls,
  });
  noting = true;
  const output = network.forward(tape, objective.x);
  const loss = tape.apply(objective.loss, output, objective.y);
  const forward = read();
  tape.backward(loss);
  optimizer.step(1, 0.1, 1);
  average?.update(0);
  const costs = network
    .costs(columns, inputGradient)
    .flatMap(({ cost }) => [cost.forward, cost.backward]);
  const stated = { flops: 0, sentBytes: 0, receivedBytes: 0, collectives: 0 };
  for (const cost of costs) {
    stated.flops += cost.flops;
    stated.sentBytes += cost.sentBytes;
    stated.receivedBytes += cost.receivedBytes;
    stated.collectives += cost.collectives;
  }
  return {
    forward,
    stated,
    total: read(),
    allocatedBytes: engine.allocatedBytes,
    parameters: network.parameters.reduce((sum, { value }) => sum + value.length, 0),
    calls,
  };
}
