import type { OperatorContext } from '../../autograd/operator.js';
import {
  asMatrix,
  type Matrix,
  matrixColumns,
  matrixRows,
  type Tensor,
  tensorRows,
} from '../../tensor/tensor.js';
import { type BlockLayout, range } from '../block-layout.js';
import { elementOf } from '../element-of.js';

/** What a normalized gathering layer does besides its products, on one rank. */
export class GatherNorm {
  readonly #context: OperatorContext;
  readonly #layout: BlockLayout;
  /** m */
  readonly #width: number;
  readonly #squares: Tensor;
  readonly #inverse: Tensor;
  readonly #zHat: Tensor;
  readonly #z: Tensor;
  /** Of every block: its features, and where their sum of squares is written. */
  readonly #everyones: readonly { readonly x: Tensor; readonly square: Tensor }[];
  readonly #xBlocks: readonly Tensor[];
  readonly #zBlocks: readonly Tensor[];
  #dzBlocks: readonly Tensor[] | null = null;
  readonly #slots: (readonly Slot[])[] = [];
  #received: Received | null = null;

  constructor(
    context: OperatorContext,
    {
      layout,
      x,
      z,
      gathered,
    }: {
      readonly layout: BlockLayout;
      readonly x: Tensor;
      /** ẑ, before it is divided. */
      readonly z: Tensor;
      readonly gathered: Tensor;
    },
  ) {
    const columns = z.shape[1] ?? 1;
    const m = (x.shape[0] ?? 1) / layout.blocksHere;
    this.#context = context;
    this.#layout = layout;
    this.#width = m;
    this.#squares = context.buffer('squares', layout.blocks, columns);
    this.#inverse = context.buffer('inverse', columns);
    this.#zHat = z;
    this.#z = context.buffer('divided', ...z.shape);
    this.#everyones = range(layout.blocks).map((i) => ({
      x: tensorRows(gathered, i * m, m),
      square: tensorRows(this.#squares, i, 1),
    }));
    this.#xBlocks = this.#split(x);
    this.#zBlocks = this.#split(z);
  }

  #split(whole: Tensor): Tensor[] {
    const { blocksHere } = this.#layout;
    const rows = (whole.shape[0] ?? 1) / blocksHere;
    return range(blocksHere).map((j) => tensorRows(whole, j * rows, rows));
  }

  get #features(): number {
    return this.#layout.blocks * this.#width;
  }

  /** z = ẑ / r */
  divide(): Tensor {
    const { engine } = this.#context;
    for (const { x, square } of this.#everyones) engine.columnDots(x, x, square);
    engine.inverseRms(this.#squares, this.#features, this.#inverse);
    engine.scaleColumns(this.#zHat, this.#inverse, this.#z);
    return this.#z;
  }

  /** q = dz / r */
  gradient(dz: Tensor): Tensor {
    this.#dzBlocks ??= this.#split(dz);
    const q = this.#context.buffer('q', ...dz.shape);
    this.#context.engine.scaleColumns(dz, this.#inverse, q);
    return q;
  }

  /** Writes [W_jᵀ q_j ; t_j] into every block's slot of what block j sends. */
  contribute(
    j: number,
    { weight, q, target }: { readonly weight: Matrix; readonly q: Matrix; readonly target: Tensor },
  ): void {
    const { engine } = this.#context;
    const m = this.#width;
    // A block is handed the same target in every step.
    const slots = (this.#slots[j] ??= range(this.#layout.blocks).map((i) => ({
      weight: matrixColumns(weight, i * m, m),
      rows: matrixRows(asMatrix(target), i * (m + 1), m),
      dots: tensorRows(target, i * (m + 1) + m, 1),
    })));
    const { dots } = elementOf(slots, 0);
    engine.columnDots(elementOf(this.#dzBlocks ?? [], j), elementOf(this.#zBlocks, j), dots);
    for (const [i, slot] of slots.entries()) {
      engine.gemm(true, false, 1, slot.weight, q, 0, slot.rows);
      if (i > 0) engine.copy(dots, slot.dots);
    }
  }

  /** dx_j = its rows of what arrived − x_j · t / (N r³) */
  correct(arrived: Tensor): Tensor {
    const { engine } = this.#context;
    const { dx, dots, correction, blocks } = (this.#received ??= this.#planReceived(arrived));
    engine.rmsCorrection(dots, this.#inverse, this.#features, correction);
    for (const [j, { from, to }] of blocks.entries()) {
      engine.copy(from, to);
      engine.addScaledColumns(elementOf(this.#xBlocks, j), correction, to);
    }
    return dx;
  }

  #planReceived(arrived: Tensor): Received {
    const m = this.#width;
    const columns = arrived.shape[1] ?? 1;
    const dx = this.#context.buffer('dx', this.#layout.blocksHere * m, columns);
    return {
      dx,
      dots: tensorRows(arrived, m, 1),
      correction: this.#context.buffer('correction', columns),
      blocks: this.#split(dx).map((to, j) => ({ from: tensorRows(arrived, j * (m + 1), m), to })),
    };
  }
}

interface Slot {
  readonly weight: Matrix;
  readonly rows: Matrix;
  readonly dots: Tensor;
}

interface Received {
  readonly dx: Tensor;
  readonly dots: Tensor;
  readonly correction: Tensor;
  readonly blocks: readonly { readonly from: Tensor; readonly to: Tensor }[];
}
