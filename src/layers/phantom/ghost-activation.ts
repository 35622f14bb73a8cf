import type { Nonlinearity } from '../../engines/activations.js';
import type { Engine } from '../../engines/engine.js';
import type { Tensor } from '../../tensor/tensor.js';
import { elementOf } from '../element-of.js';

/** The ghosts of one block of the rank: [inUse, B] each. */
export interface ActivatedGhosts {
  /** g = C x */
  readonly before: Tensor;
  /** Where φ(g) is written to be sent. */
  readonly sent: Tensor;
  /** Where it is after the forward pass, not rounded; may be `sent`. */
  readonly after: Tensor;
}

/** φ on the ghosts that a rank sends, and φ′ on what returns for them; element by element. */
export class GhostActivation {
  readonly #engine: Engine;
  readonly #activation: Nonlinearity;
  readonly #blocks: readonly ActivatedGhosts[];

  constructor(engine: Engine, activation: Nonlinearity, blocks: readonly ActivatedGhosts[]) {
    this.#engine = engine;
    this.#activation = activation;
    this.#blocks = blocks;
  }

  /** Before the gather. */
  apply(): void {
    for (const { before, sent } of this.#blocks) {
      this.#engine.biasActivation(this.#activation, before, null, sent);
    }
  }

  /** h_j = φ′(g_j) ∘ h_j. @param h what returned for each block: [inUse, B] */
  gradient(h: readonly Tensor[]): void {
    for (const [j, { before, after }] of this.#blocks.entries()) {
      const own = elementOf(h, j);
      this.#engine.biasActivationGradient(this.#activation, before, after, own, own, 0, null);
    }
  }
}
