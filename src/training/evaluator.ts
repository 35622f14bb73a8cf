import type { LossPass } from './loss-pass.js';

/** Measures a network on one rank, on the batches of a validation part. */
export class Evaluator {
  readonly #pass: LossPass;
  readonly #isFirstReplica: boolean;

  /** @param isFirstReplica replicas hold the same weights: the first one's samples count, the others
   *   go along */
  constructor(pass: LossPass, isFirstReplica = true) {
    this.#pass = pass;
    this.#isFirstReplica = isFirstReplica;
  }

  /**
   * Mean loss, and share of the rows classified correctly (NaN where the loss has no notion of
   * it), over the validation batches that come next.
   *
   * @param ghosts in use; null: as many as are
   * @throws TrainingError when the loss is not finite
   */
  evaluate(rows: number, ghosts: number | null): { loss: number; accuracy: number } {
    const pass = this.#pass;
    const { network, objective } = pass.parts;
    if (ghosts !== null) network.useGhosts(ghosts);
    pass.begin();
    for (let done = 0; done < rows; done += objective.loss.validColumns) {
      pass.forward('validation');
    }
    pass.startAgreement(this.#isFirstReplica, false).wait();
    const { lossSum, correct } = pass;
    if (!Number.isFinite(lossSum)) pass.explain('validation', lossSum);
    const { loss, samples } = objective;
    return { loss: lossSum * loss.scale * (samples / rows), accuracy: correct / rows };
  }
}
