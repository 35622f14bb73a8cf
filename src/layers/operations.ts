import type { Activation } from '../engines/activations.js';
import type { OptimizerName } from '../optimizers/optimizer-list.js';
import type { LossName } from './loss-names.js';
import type { EncodedPrecision } from '../tensor/precision.js';

/** What a matrix product is for. A tensor-parallel layer's are all `local`. */
export type Part = 'local' | 'compression' | 'decompression';

/** Kernels that go over memory element by element. */
export type PassKernel =
  | `activation ${Activation}`
  | `activation gradient ${Activation}`
  | 'add'
  | 'dropout'
  | 'multiply'
  | 'fill'
  | 'copy'
  | 'axpy'
  | 'column dots'
  | 'scale columns'
  | 'add scaled columns'
  | 'inverse rms'
  | 'rms correction'
  | `encode ${EncodedPrecision}`
  | `decode ${EncodedPrecision}`
  | LossName
  | OptimizerName;

/** A part of a training step. */
export type Pass = 'forward' | 'backward' | 'update';

/** c [rows, columns] = op(a) [rows, inner] · op(b) [inner, columns], added to c or in its place. */
export interface Product {
  readonly kind: 'product';
  readonly part: Part;
  readonly pass: Pass;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly rows: number;
  readonly columns: number;
  readonly inner: number;
}

/** An element-wise pass over memory. */
export interface ElementPass {
  readonly kind: 'elements';
  readonly kernel: PassKernel;
  readonly pass: Pass;
  readonly elements: number;
  /** Columns of the matrix that is gone over: rows are what remains. */
  readonly columns: number;
}

/** A collective of the network itself, forward or backward. */
export type NetworkCollective = 'all-gather' | 'all-to-all' | 'reduce-scatter' | 'all-reduce';

/** A collective begins; `wholeBytes` are those of its larger buffer: what an all-gather receives,
 * an all-to-all and a reduce-scatter send, an all-reduce sums. */
export interface Start {
  readonly kind: 'start';
  readonly collective: NetworkCollective;
  readonly pass: Pass;
  readonly wholeBytes: number;
  /** Of the network, or of the ranks' agreement on the loss, which is not counted. */
  readonly of: 'network' | 'agreement';
}

/** The step needs the result of the collective that `start` began. */
export interface Wait {
  readonly kind: 'wait';
  readonly start: Start;
}

/** One thing that a rank does in a step. */
export type Operation = Product | ElementPass | Start | Wait;
