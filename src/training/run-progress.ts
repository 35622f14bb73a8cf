import type { BestValidation, TrainingProgress } from '../checkpoints/progress.js';
import { METRICS } from '../metrics/metric-names.js';
import type { TrainingSettings } from '../settings/settings.js';
import type { Judgement } from './evaluator.js';

/**
 * What a run has seen so far that decides how it goes on. Every rank keeps its own from values that
 * ranks have agreed on, so all decide the same; checkpoints hold it, so that a resumed run does too.
 */
export class RunProgress {
  readonly #bestBy: TrainingSettings['bestBy'];
  #best: BestValidation | null;

  /** @param before what a checkpoint says */
  constructor({ bestBy }: Pick<TrainingSettings, 'bestBy'>, before: TrainingProgress) {
    this.#bestBy = bestBy;
    // What another measure was best by is no bound for this one.
    this.#best = before.best?.by === bestBy ? before.best : null;
  }

  /** For a checkpoint. */
  get state(): TrainingProgress {
    return { best: this.#best };
  }

  /** Takes a validation. @returns whether it is the best so far */
  validated(step: number, result: Pick<Judgement, 'loss' | 'values'>): boolean {
    const by = this.#bestBy;
    if (by === null) return false;
    const value = by === 'loss' ? result.loss : (result.values[by] ?? null);
    // What is not defined on these rows is no best.
    if (value === null) return false;
    const sign = by !== 'loss' && METRICS[by].better === 'higher' ? -1 : 1;
    if (this.#best !== null && !(sign * value < sign * this.#best.value)) return false;
    this.#best = { by, value, step };
    return true;
  }
}
