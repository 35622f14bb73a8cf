import type { Again } from '../autograd/operator.js';
import type { OptimizerName } from '../optimizers/optimizer-list.js';
import { type Dtype, elementBytes } from '../tensor/tensor.js';
import type { BlockLayout } from './block-layout.js';
import type { NetworkCollective, Operation, Part, Pass, PassKernel, Start } from './operations.js';

/**
 * Writes down what one rank does, in order: matrix products, passes over memory and collectives.
 * Layers are described with it as their operators are written.
 */
export class OperationList {
  readonly operations: Operation[] = [];
  readonly layout: BlockLayout;
  /** B */
  readonly columns: number;
  pass: Pass = 'forward';
  /** Of the forward operations that are listed now, which of them are done: as `OperatorContext.again`. */
  again: Again = 'no';

  constructor(layout: BlockLayout, columns: number) {
    this.layout = layout;
    this.columns = columns;
  }

  /**
   * A matrix product.
   *
   * @param form which operands are transposed. `NN`, `TN`: [rows, other] · [other, B];
   *   `NT`: [rows, B] · [B, other]
   */
  product(part: Part, form: 'NN' | 'NT' | 'TN', rows: number, other: number): void {
    const transposeB = form === 'NT';
    this.operations.push({
      kind: 'product',
      part,
      pass: this.pass,
      transposeA: form === 'TN',
      transposeB,
      rows,
      columns: transposeB ? other : this.columns,
      inner: transposeB ? this.columns : other,
    });
  }

  /** A pass over [rows, B]. */
  elements(kernel: PassKernel, rows: number): void {
    const { pass, columns } = this;
    this.operations.push({ kind: 'elements', kernel, pass, elements: rows * columns, columns });
  }

  /** The optimizer's pass over a parameter. */
  update(kernel: OptimizerName, elements: number): void {
    this.operations.push({ kind: 'elements', kernel, pass: 'update', elements, columns: 1 });
  }

  /**
   * A collective that is started.
   *
   * @param wholeBytes of the collective's larger buffer, see `Start`
   */
  start(collective: NetworkCollective, wholeBytes: number, of: Start['of'] = 'network'): Start {
    const start: Start = { kind: 'start', collective, pass: this.pass, wholeBytes, of };
    this.operations.push(start);
    return start;
  }

  /** Lists the wait for a collective that was started. */
  wait(start: Start): void {
    this.operations.push({ kind: 'wait', start });
  }

  /** Of [rows, B], by default in float32. */
  bytes(rows: number, dtype: Dtype = 'float32'): number {
    return elementBytes(dtype) * rows * this.columns;
  }

  /** Does the work once for each block of the rank. @param work of its j-th block */
  eachBlock(work: (j: number) => void): void {
    for (let j = 0; j < this.layout.blocksHere; j++) work(j);
  }

  /** A sum of [rows, B] by the tree over so many blocks: one addition fewer than there are. */
  blockSum(blocks: number, rows: number, contribute: (j: number) => void): void {
    for (let j = 0; j < blocks; j++) {
      contribute(j);
      if (j > 0) this.elements('add', rows);
    }
  }
}
