import { ghostsOf, hiddenKind, type NetworkSpecification } from '../model/specification.js';
import { type GhostPrecision, rowBytes } from '../tensor/precision.js';
import type { OptimizerName } from '../optimizers/optimizer.js';
import type {
  ElementPass,
  NetworkCollective,
  Operation,
  Part,
  Pass,
  PassKernel,
  Start,
} from '../layers/operations.js';

/** What determines a rank's step, besides the network. */
export interface StepShape {
  readonly specification: NetworkSpecification;
  /** R */
  readonly ranks: number;
  /** B */
  readonly columns: number;
  readonly loss: 'mse' | 'cross-entropy';
  readonly optimizer: OptimizerName;
  /** Whether the gradient of the input is computed, as inside a deeper network. */
  readonly inputGradient: boolean;
}

/**
 * Everything that one rank does in a training step, in order, as the operators are written: their
 * matrix products, passes over memory and collectives, from sizes alone. FLOPs, bytes, messages,
 * overlap and times follow from it; a test compares it with what operators really call.
 */
export function stepProgram(shape: StepShape, rank: number): Operation[] {
  return new Program(shape, rank).build();
}

class Program {
  readonly #operations: Operation[] = [];
  readonly #shape: StepShape;
  readonly #rank: number;
  readonly #columns: number;
  /** N, P, M, P/R, and the first block of the rank */
  readonly #N: number;
  readonly #P: number;
  readonly #M: number;
  readonly #here: number;
  readonly #first: number;
  #pass: Pass = 'forward';

  constructor(shape: StepShape, rank: number) {
    const { width, blocks } = shape.specification;
    this.#shape = shape;
    this.#rank = rank;
    this.#columns = shape.columns;
    this.#N = width;
    this.#P = blocks;
    this.#M = width / blocks;
    this.#here = blocks / shape.ranks;
    this.#first = rank * this.#here;
  }

  build(): Operation[] {
    const { specification, inputGradient, loss } = this.#shape;
    const { depth, ends } = specification;
    const rows = this.#here * this.#M;
    const replicated = ends.kind === 'replicated';
    this.#elements('copy', replicated ? ends.inputs : rows);
    const targets = replicated ? ends.outputs : rows;
    this.#elements('copy', loss === 'mse' ? targets : 1);

    if (replicated) {
      this.#columnForward(ends.inputs);
      this.#activationForward('input', false);
    }
    for (let layer = 0; layer < depth; layer++) {
      this.#linearForward(layer);
      this.#activationForward(layer, !replicated && layer === depth - 1);
    }
    if (replicated) this.#rowForward(ends.outputs, this.#rank === 0 ? [ends.outputs] : []);
    if (replicated) this.#elements(loss, ends.outputs);
    else for (let j = 0; j < this.#here; j++) this.#elements('mse', this.#M);

    const agreement = this.#start('all-reduce', 24, 'agreement');
    this.#pass = 'backward';
    if (replicated) this.#rowBackward(ends.outputs, this.#rank === 0 ? [ends.outputs] : [], true);
    for (let layer = depth - 1; layer >= 0; layer--) {
      this.#activationBackward(layer, !replicated && layer === depth - 1);
      this.#linearBackward(layer, replicated || inputGradient || layer > 0);
    }
    if (replicated) {
      this.#activationBackward('input', false);
      this.#columnBackward(ends.inputs, inputGradient);
    }
    this.#wait(agreement);
    this.#pass = 'update';
    for (const elements of parameterSizes(specification, this.#here, this.#rank === 0)) {
      this.#operations.push(elementPass(this.#shape.optimizer, 'update', elements, 1));
    }
    return this.#operations;
  }

  #linearForward(layer: number): void {
    const kind = hiddenKind(this.#shape.specification, layer);
    if (kind === 'phantom') this.#phantomForward(ghostsOf(this.#shape.specification, layer));
    else if (kind === 'gather') this.#gatherForward();
    else if (kind === 'column') this.#columnForward(this.#N);
    else this.#rowForward(this.#N, this.#ownRows());
  }

  #linearBackward(layer: number, inputGradient: boolean): void {
    const kind = hiddenKind(this.#shape.specification, layer);
    if (kind === 'phantom') {
      this.#phantomBackward(ghostsOf(this.#shape.specification, layer), inputGradient);
    } else if (kind === 'gather') this.#gatherBackward(inputGradient);
    else if (kind === 'column') this.#columnBackward(this.#N, inputGradient);
    else this.#rowBackward(this.#N, this.#ownRows(), inputGradient);
  }

  #phantomForward(K: number): void {
    const M = this.#M;
    this.#each(() => this.#product('compression', 'NN', K, M));
    const precision = this.#precision;
    const rows = this.#P * K;
    if (precision !== 'float32') this.#elements(`encode ${precision}`, this.#here * K);
    const gather = this.#start('all-gather', rows * rowBytes(precision, this.#columns));
    this.#each(() => this.#product('local', 'NN', M, M));
    this.#wait(gather);
    if (precision !== 'float32') this.#elements(`decode ${precision}`, rows);
    this.#each((j) => {
      for (const ghosts of this.#sides(j, K)) this.#product('decompression', 'NN', M, ghosts);
    });
  }

  #phantomBackward(K: number, inputGradient: boolean): void {
    const M = this.#M;
    const contribute = (j: number) => {
      this.#elements('fill', K);
      for (const ghosts of this.#sides(j, K)) this.#product('decompression', 'TN', ghosts, M);
    };
    const reduction = this.#startReturn(K, contribute);
    this.#each((j) => {
      for (const ghosts of this.#sides(j, K)) this.#product('decompression', 'NT', M, ghosts);
    });
    this.#each(() => {
      this.#product('local', 'NT', M, M);
      if (inputGradient) this.#product('local', 'TN', M, M);
    });
    this.#wait(reduction);
    this.#decodeReturn(K);
    this.#each(() => {
      this.#product('compression', 'NT', K, M);
      if (inputGradient) this.#product('compression', 'TN', M, K);
    });
  }

  /** What the rank's blocks contribute to everybody's ghosts sets out. */
  #startReturn(K: number, contribute: (j: number) => void): Start {
    const precision = this.#precision;
    const rows = this.#P * K;
    if (precision === 'float32') {
      this.#blockSum(this.#here, rows, contribute);
      return this.#start('reduce-scatter', this.#bytes(rows));
    }
    this.#each((j) => {
      contribute(j);
      const { ranks } = this.#shape;
      for (let r = 0; r < ranks; r++) this.#elements(`encode ${precision}`, rows / ranks);
    });
    const bytes = this.#here * rows * rowBytes(precision, this.#columns);
    return this.#start('all-to-all', bytes);
  }

  #decodeReturn(K: number): void {
    const precision = this.#precision;
    if (precision === 'float32') return;
    const rows = this.#here * K;
    this.#blockSum(this.#P, rows, () => this.#elements(`decode ${precision}`, rows));
  }

  get #precision(): GhostPrecision {
    return this.#shape.specification.ghostPrecision ?? 'float32';
  }

  #gatherForward(): void {
    const M = this.#M;
    const gather = this.#start('all-gather', this.#bytes(this.#N));
    this.#each(() => this.#product('local', 'NN', M, M));
    this.#wait(gather);
    this.#each((j) => {
      for (const width of this.#sides(j, M)) this.#product('local', 'NN', M, width);
    });
  }

  #gatherBackward(inputGradient: boolean): void {
    let reduction: Start | null = null;
    if (inputGradient) {
      this.#blockSum(this.#here, this.#N, () => this.#product('local', 'TN', this.#N, this.#M));
      reduction = this.#start('reduce-scatter', this.#bytes(this.#N));
    }
    this.#each(() => this.#product('local', 'NT', this.#M, this.#N));
    if (reduction) this.#wait(reduction);
  }

  #columnForward(features: number): void {
    this.#each(() => this.#product('local', 'NN', this.#M, features));
  }

  #columnBackward(features: number, inputGradient: boolean): void {
    let reduction: Start | null = null;
    if (inputGradient) {
      this.#blockSum(this.#here, features, () => this.#product('local', 'TN', features, this.#M));
      reduction = this.#start('all-reduce', this.#bytes(features));
    }
    this.#each(() => this.#product('local', 'NT', this.#M, features));
    if (reduction) this.#wait(reduction);
  }

  /** @param biases rows that the bias of the rank's j-th block covers */
  #rowForward(outputs: number, biases: readonly number[]): void {
    this.#blockSum(this.#here, outputs, (j) => {
      this.#product('local', 'NN', outputs, this.#M);
      const rows = biases[j];
      if (rows !== undefined) this.#elements('activation identity', rows);
    });
    this.#wait(this.#start('all-reduce', this.#bytes(outputs)));
  }

  #rowBackward(outputs: number, biases: readonly number[], inputGradient: boolean): void {
    this.#each((j) => {
      this.#product('local', 'NT', outputs, this.#M);
      if (inputGradient) this.#product('local', 'TN', this.#M, outputs);
      const rows = biases[j];
      if (rows !== undefined) this.#elements('activation gradient identity', rows);
    });
  }

  #activationForward(layer: number | 'input', isLast: boolean): void {
    const activation = isLast ? 'identity' : this.#shape.specification.activation;
    for (const rows of this.#activationRows(layer))
      this.#elements(`activation ${activation}`, rows);
  }

  #activationBackward(layer: number | 'input', isLast: boolean): void {
    const activation = isLast ? 'identity' : this.#shape.specification.activation;
    for (const rows of this.#activationRows(layer)) {
      this.#elements(`activation gradient ${activation}`, rows);
    }
  }

  /** After a row-parallel layer every rank goes over all rows; else block by block. */
  #activationRows(layer: number | 'input'): number[] {
    const row = layer !== 'input' && hiddenKind(this.#shape.specification, layer) === 'row';
    return row ? [this.#N] : this.#ownRows();
  }

  #ownRows(): number[] {
    return Array.from({ length: this.#here }, () => this.#M);
  }

  /** The parts before and after the j-th block's own, where there are any. */
  #sides(j: number, each: number): number[] {
    const block = this.#first + j;
    return [block * each, (this.#P - 1 - block) * each].filter((size) => size > 0);
  }

  #each(work: (j: number) => void): void {
    for (let j = 0; j < this.#here; j++) work(j);
  }

  /** The tree over so many blocks: one addition fewer than there are. */
  #blockSum(blocks: number, rows: number, contribute: (j: number) => void): void {
    for (let j = 0; j < blocks; j++) {
      contribute(j);
      if (j > 0) this.#elements('add', rows);
    }
  }

  /** @param form which operands are transposed; the batch is the columns, of `NT` the inner size */
  #product(part: Part, form: 'NN' | 'NT' | 'TN', rows: number, other: number): void {
    const transposeB = form === 'NT';
    const B = this.#columns;
    this.#operations.push({
      kind: 'product',
      part,
      pass: this.#pass,
      transposeA: form === 'TN',
      transposeB,
      rows,
      columns: transposeB ? other : B,
      inner: transposeB ? B : other,
    });
  }

  #elements(kernel: PassKernel, rows: number): void {
    const B = this.#columns;
    this.#operations.push(elementPass(kernel, this.#pass, rows * B, B));
  }

  #start(collective: NetworkCollective, wholeBytes: number, of: Start['of'] = 'network'): Start {
    const start: Start = { kind: 'start', collective, pass: this.#pass, wholeBytes, of };
    this.#operations.push(start);
    return start;
  }

  #wait(start: Start): void {
    this.#operations.push({ kind: 'wait', start });
  }

  #bytes(rows: number): number {
    return 4 * rows * this.#columns;
  }
}

function elementPass(
  kernel: PassKernel,
  pass: Pass,
  elements: number,
  columns: number,
): ElementPass {
  return { kind: 'elements', kernel, pass, elements, columns };
}

/** Elements of each parameter of a rank with `here` blocks; the first rank has the head's bias. */
export function parameterSizes(
  specification: NetworkSpecification,
  here: number,
  isFirst: boolean,
): number[] {
  const { width: N, depth, blocks: P, ends } = specification;
  const M = N / P;
  const block: number[] = [];
  if (ends.kind === 'replicated') block.push(M * ends.inputs, M);
  for (let layer = 0; layer < depth; layer++) {
    const K = ghostsOf(specification, layer);
    if (specification.strategy === 'phantom') block.push(M * M, K * M, M * (P - 1) * K, M);
    else block.push(M * N, M);
  }
  if (ends.kind === 'replicated') block.push(ends.outputs * M);
  const sizes = Array.from({ length: here }, () => block).flat();
  if (ends.kind === 'replicated' && isFirst) sizes.push(ends.outputs);
  return sizes;
}
