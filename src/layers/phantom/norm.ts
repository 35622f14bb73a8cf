import type { OperatorContext } from '../../autograd/operator.js';
import { float32, type Tensor, tensorRows } from '../../tensor/tensor.js';
import { type BlockLayout, range } from '../block-layout.js';
import { elementOf } from '../element-of.js';
import type { NormedExchange } from './normed-exchange.js';

/** What a normalized phantom layer does besides its products, on the rows of a rank. */
export class PhantomNorm {
  readonly #context: OperatorContext;
  readonly #exchange: NormedExchange;
  readonly #features: number;
  readonly #inUse: number;
  readonly #layout: BlockLayout;
  readonly #inverse: Tensor;
  readonly #zHat: Tensor;
  readonly #z: Tensor;
  /** By block of the rank. */
  readonly #xBlocks: readonly Tensor[];
  readonly #zBlocks: readonly Tensor[];
  #dzBlocks: readonly Tensor[] | null = null;
  #dxBlocks: readonly Tensor[] | null = null;

  constructor(
    context: OperatorContext,
    exchange: NormedExchange,
    on: {
      readonly layout: BlockLayout;
      readonly inUse: number;
      readonly x: Tensor;
      /** ẑ, before it is divided. */
      readonly z: Tensor;
      /** N */
      readonly features: number;
    },
  ) {
    this.#context = context;
    this.#exchange = exchange;
    this.#features = on.features;
    this.#inUse = on.inUse;
    this.#layout = on.layout;
    this.#zHat = on.z;
    this.#z = context.buffer('divided', ...on.z.shape);
    this.#inverse = float32(context.keptBuffer('float32', 'inverse', on.z.shape[1] ?? 1));
    this.#xBlocks = this.#split(on.x);
    this.#zBlocks = this.#split(on.z);
  }

  #split(whole: Tensor): Tensor[] {
    const { blocksHere } = this.#layout;
    const rows = (whole.shape[0] ?? 1) / blocksHere;
    return range(blocksHere).map((j) => tensorRows(whole, j * rows, rows));
  }

  /** s_j, before the gather. */
  sumSquares(): void {
    const { engine } = this.#context;
    for (const [j, x] of this.#xBlocks.entries()) {
      engine.columnDots(x, x, this.#exchange.slotOf(this.#layout.firstBlock + j).sum);
    }
  }

  /** z = ẑ / r, after it. @param isFirst whether r is not there yet */
  divide(isFirst: boolean): Tensor {
    const { engine } = this.#context;
    if (isFirst) engine.inverseRms(this.#exchange.squares, this.#features, this.#inverse);
    engine.scaleColumns(this.#zHat, this.#inverse, this.#z);
    return this.#z;
  }

  /** Sums t_j. @returns q = dz / r */
  gradient(dz: Tensor): Tensor {
    const { engine } = this.#context;
    const blocks = (this.#dzBlocks ??= this.#split(dz));
    this.#exchange.sumDots((j, target) =>
      engine.columnDots(elementOf(blocks, j), elementOf(this.#zBlocks, j), target),
    );
    const q = this.#context.buffer('q', ...dz.shape);
    engine.scaleColumns(dz, this.#inverse, q);
    return q;
  }

  /** dx −= x · t / (N r³). @param h what was scattered, t its row after a block's ghosts */
  correct(h: Tensor): void {
    const dx = this.#context.gradient(0);
    if (dx === null) return;
    const { engine } = this.#context;
    const correction = this.#context.buffer('correction', h.shape[1] ?? 1);
    const t = tensorRows(h, this.#inUse, 1);
    engine.rmsCorrection(t, this.#inverse, this.#features, correction);
    const blocks = (this.#dxBlocks ??= this.#split(dx));
    for (const [j, x] of this.#xBlocks.entries()) {
      engine.addScaledColumns(x, correction, elementOf(blocks, j));
    }
  }
}
