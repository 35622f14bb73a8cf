import type {
  BestValidation,
  LossTrend,
  TrainingProgress,
  ValidationTrend,
} from '../checkpoints/training-progress.js';
import { METRICS } from '../metrics/metric-names.js';
import type { TrainingSettings } from '../settings/settings.js';
import { followLoss, hasDiverged } from './divergence.js';
import type { Judgement } from './evaluator.js';

/** What decides of validations. */
export type ProgressSettings = Pick<
  TrainingSettings,
  'bestBy' | 'earlyStopping' | 'schedule' | 'plateauFactor' | 'plateauPatience'
>;

/**
 * What a run has seen so far that decides how it goes on. Every rank keeps its own from values that
 * ranks have agreed on, so all decide the same; checkpoints hold it, so that a resumed run does too.
 */
export class RunProgress {
  readonly #settings: ProgressSettings;
  #best: BestValidation | null;
  #trend: ValidationTrend;
  #losses: LossTrend;

  /** @param before what a checkpoint says */
  constructor(settings: ProgressSettings, { best, trend, losses }: TrainingProgress) {
    this.#settings = settings;
    // What another measure was best by is no bound for this one.
    const same = best?.by === settings.bestBy;
    this.#best = same ? best : null;
    this.#trend = same ? trend : { ...trend, best: null };
    this.#losses = losses;
  }

  /** For a checkpoint. */
  get state(): TrainingProgress {
    return { best: this.#best, trend: this.#trend, losses: this.#losses };
  }

  /** What schedule `plateau` multiplies the learning rate by. */
  get rateFactor(): number {
    return this.#settings.schedule === 'plateau' ? this.#trend.rateFactor : 1;
  }

  /** Whether as many validations as early stopping waits for were no better. */
  get stops(): boolean {
    const { earlyStopping } = this.#settings;
    return earlyStopping !== null && this.#trend.sinceBest >= earlyStopping;
  }

  /** Takes the loss of a step. @returns whether training has diverged */
  stepped(loss: number, samples: number, isLast: boolean): boolean {
    this.#losses = followLoss(this.#losses, loss, samples);
    return hasDiverged(this.#losses, isLast);
  }

  /**
   * Takes a validation.
   *
   * @param onBeat whether it is one of those every so many steps
   * @returns whether it is the best so far
   */
  validated(step: number, result: Pick<Judgement, 'loss' | 'values'>, onBeat: boolean): boolean {
    const { bestBy: by } = this.#settings;
    if (by === null) return false;
    const value = by === 'loss' ? result.loss : (result.values[by] ?? null);
    const sign = by !== 'loss' && METRICS[by].better === 'higher' ? -1 : 1;
    // What is not defined on these rows is no better than anything.
    const beats = (best: number | null): boolean =>
      value !== null && (best === null || sign * value < sign * best);
    if (onBeat) this.#follow(beats(this.#trend.best) ? value : null);
    if (value === null || !beats(this.#best?.value ?? null)) return false;
    this.#best = { by, value, step };
    return true;
  }

  /** @param better the value of a validation better than all before; null: it is not */
  #follow(better: number | null): void {
    const { schedule, plateauFactor, plateauPatience } = this.#settings;
    const { best, sinceBest, sinceFall, rateFactor } = this.#trend;
    if (better !== null) {
      this.#trend = { best: better, sinceBest: 0, sinceFall: 0, rateFactor };
      return;
    }
    const falls = schedule === 'plateau' && sinceFall + 1 >= plateauPatience;
    this.#trend = {
      best,
      sinceBest: sinceBest + 1,
      sinceFall: falls ? 0 : sinceFall + 1,
      rateFactor: falls ? rateFactor * plateauFactor : rateFactor,
    };
  }
}
