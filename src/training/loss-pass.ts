import { Tape, type Variable } from '../autograd/tape.js';
import { TrainingError } from '../base/errors.js';
import { PHASE, type PhaseClock } from '../base/phases.js';
import { ACTIVITY } from '../base/step-trace.js';
import type { Communicator, PendingCollective } from '../communicators/communicator.js';
import type { Batch, BatchReader } from '../data/loader/batches.js';
import type { Engine } from '../engines/engine.js';
import { treeSum } from '../layers/block-sum.js';
import type { FeedForward } from '../model/network.js';
import type { Objective } from './objective.js';

/** What a pass from a batch to its loss is made of. */
export interface LossPassParts {
  readonly engine: Engine;
  /** Of the ranks that hold the network. */
  readonly communicator: Communicator;
  /** All ranks of all replicas, for agreement on loss and stopping. */
  readonly control: Communicator;
  /** The rank's clock: what its time goes to. */
  readonly phases: PhaseClock;
  readonly network: FeedForward;
  readonly objective: Objective;
  readonly batches: BatchReader;
}

/**
 * Takes batches through a network to their loss, on one rank, and sums the losses of several. What
 * trains and what evaluates a network share one, and with it the memory of its activations.
 */
export class LossPass {
  readonly parts: LossPassParts;
  readonly tape: Tape;
  /** Seconds that this rank waited for batches since `begin`. */
  dataWaitS = 0;
  /** Of the samples since `begin`; where they have no weights, how many. */
  weightSum = 0;
  /** What the network gave for the last batch. */
  output: Variable | null = null;
  readonly #lossSums: Float64Array;
  #correct = 0;
  /** Loss sum, correct columns, stop requests. */
  readonly #agreement = new Float64Array(3);

  constructor(parts: LossPassParts) {
    const { engine, communicator, phases, objective } = parts;
    this.parts = parts;
    this.tape = new Tape(engine, communicator, phases);
    this.#lossSums = new Float64Array(objective.loss.blocks);
  }

  /** Forgets the sums. */
  begin(): void {
    this.dataWaitS = 0;
    this.weightSum = 0;
    this.#lossSums.fill(0);
    this.#correct = 0;
  }

  /** Takes the next batch through the network. Its losses are added to the sums by `addLosses`.
   * @returns the loss
   * @throws TrainingError when the next batch is not of this kind */
  forward(kind: Batch['kind']): Variable {
    const { network, objective, phases } = this.parts;
    const batch = this.#next(kind);
    const { loss, x, y } = objective;
    objective.read(batch);
    loss.validColumns = batch.validColumns;
    this.weightSum += objective.weights === null ? batch.validColumns : weightOf(batch);
    phases.enter(PHASE.other);
    phases.beginPass(ACTIVITY.forward);
    this.tape.begin();
    this.output = network.forward(this.tape, x);
    return this.tape.apply(loss, this.output, y);
  }

  /** Adds the losses of the last batch to the sums; waits for them. */
  addLosses(): void {
    const { objective, engine } = this.parts;
    const { blockSums, correct } = objective.loss.read(engine);
    for (const [j, sum] of blockSums.entries()) {
      this.#lossSums[j] = (this.#lossSums[j] ?? 0) + sum;
    }
    this.#correct += correct;
  }

  /**
   * Starts the sum over ranks of losses, correct columns and stop requests. Of a loss that every
   * rank of a replica computes, the first rank's counts.
   *
   * @param counts whether this replica's samples count
   */
  startAgreement(counts: boolean, stop: boolean): PendingCollective {
    const { control, communicator, objective } = this.parts;
    const isFirst = communicator.rank === 0;
    this.#agreement[0] = counts && (objective.sharded || isFirst) ? treeSum(this.#lossSums) : 0;
    this.#agreement[1] = counts && isFirst ? this.#correct : 0;
    this.#agreement[2] = stop ? 1 : 0;
    return control.startAllReduceSum(this.#agreement);
  }

  /** What ranks agreed on, when the sum has been waited for: Σ of losses, not scaled … */
  get lossSum(): number {
    return this.#agreement[0] ?? 0;
  }
  /** … columns classified correctly … */
  get correct(): number {
    return this.#agreement[1] ?? 0;
  }
  /** … and whether any rank was asked to stop. */
  get stop(): boolean {
    return (this.#agreement[2] ?? 0) > 0;
  }

  #next(kind: Batch['kind']): Batch {
    this.parts.phases.enter(PHASE.data);
    const before = performance.now();
    const batch = this.parts.batches.next();
    this.dataWaitS += (performance.now() - before) / 1000;
    if (batch === null || batch.kind !== kind) {
      throw new TrainingError('batches', `expected a ${kind} batch, got ${batch?.kind ?? 'none'}`);
    }
    return batch;
  }

  /** Ends the run with the first tensor that is not finite, in the order of computation.
   * @throws TrainingError on every rank */
  explain(where: string, loss: number): never {
    const { engine, network, objective, control } = this.parts;
    const candidates = [
      { name: 'the input batch', tensor: objective.x.value },
      { name: 'the target batch', tensor: objective.y.value },
      ...network.parameters.map(({ name, value }) => ({
        name: `the weights ${name}`,
        tensor: value,
      })),
      // Of a rounded activation, what it was made from is here too.
      ...this.tape
        .outputs()
        .flatMap(({ operator: { name }, output: { tensor } }) =>
          tensor.dtype === 'float32' ? [{ name: `the output of ${name}`, tensor }] : [],
        ),
    ];
    const squares = engine.slots(candidates.length);
    // One by one: a list takes memory of a device, which may be full.
    for (const [i, { tensor }] of candidates.entries()) engine.sumOfSquares(tensor, squares, i);
    const first = engine.read(squares).findIndex((sum) => !Number.isFinite(sum));
    const everyones = new Float32Array(control.size);
    control.allGather(Float32Array.of(first < 0 ? candidates.length : first), everyones);
    // Ranks may hold different numbers of tensors (the head's bias): the earliest position wins.
    const earliest = Math.min(...everyones);
    if (everyones.indexOf(earliest) !== control.rank) control.barrier();
    const name = candidates[first]?.name ?? 'the loss itself';
    const which = network.specification.recompute ? 'tensor kept' : 'tensor';
    throw new TrainingError(
      'training',
      `the loss of ${where} is ${loss}; the first ${which} that is not finite is ${name}; ` +
        'try a smaller --lr, a --warmup or --clip-norm',
    );
  }
}

function weightOf({ y, columns, validColumns }: Batch): number {
  let sum = 0;
  for (let c = 0; c < validColumns; c++) sum += y[y.length - columns + c] as number;
  return sum;
}
