import type { Activation } from '../engines/activations.js';
import type { HostEngine } from '../engines/host-engine.js';
import { Scratch } from '../engines/scratch.js';
import type { ResidualBlocks } from '../model/specification.js';
import type { DenseLayer } from '../models/dense-network.js';
import { type HostTensor, tensorRows } from '../tensor/tensor.js';

/** What a network has between its linear layers. */
export interface BetweenOptions {
  /** null: a chain. */
  readonly residual: ResidualBlocks | null;
  /** P: a gated layer has both halves of each block one below the other. */
  readonly blocks: number;
}

type Place = Pick<DenseLayer, 'place' | 'role'>;

/** Takes rows of data, [features, rows], from one linear layer of a network to the next: activations,
 * and the norm, gate and sum of residual blocks. Keeps what entered a block. */
export class Between {
  readonly #engine: HostEngine;
  readonly #scratch: Scratch;
  readonly #options: BetweenOptions;
  #entered: HostTensor | null = null;

  constructor(engine: HostEngine, options: BetweenOptions) {
    this.#engine = engine;
    this.#scratch = new Scratch(engine);
    this.#options = options;
  }

  /** What a layer multiplies, of what the one before gave; there until the next one. */
  enter({ place, role }: Place, x: HostTensor): HostTensor {
    const { residual } = this.#options;
    if (residual === null || (place !== 'up' && role !== 'head')) return x;
    if (place === 'up') {
      this.#entered = this.#scratch.tensor('entered', x.shape);
      this.#engine.copy(x, this.#entered);
    }
    if (residual.norm === 'none') return x;
    const [features = 0, rows = 0] = x.shape;
    const squares = this.#scratch.tensor('squares', [1, rows]);
    const inverse = this.#scratch.tensor('inverse', [rows]);
    const normed = this.#scratch.tensor('normed', x.shape);
    this.#engine.columnDots(x, x, squares);
    this.#engine.inverseRms(squares, features, inverse);
    this.#engine.scaleColumns(x, inverse, normed);
    return normed;
  }

  /** What follows a layer. @param z W x + b, which is overwritten @returns rows of its memory */
  leave({ place }: Place, z: HostTensor, activation: Activation): HostTensor {
    const engine = this.#engine;
    if (place === 'up' && this.#options.residual?.gated) {
      const { blocks } = this.#options;
      const n = (z.shape[0] ?? 0) / 2 / blocks;
      // From the first block on, so that nothing is overwritten that is still needed.
      for (let j = 0; j < blocks; j++) {
        const [a, b] = [tensorRows(z, 2 * j * n, n), tensorRows(z, (2 * j + 1) * n, n)];
        engine.biasActivation(activation, a, null, a);
        engine.multiply(a, b, tensorRows(z, j * n, n));
      }
      return tensorRows(z, 0, blocks * n);
    }
    engine.biasActivation(activation, z, null, z);
    if (place === 'down' && this.#entered !== null) engine.add(z, this.#entered, z);
    return z;
  }
}
