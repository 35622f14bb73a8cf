import { edgeRows, outputEdge } from '../model/edges.js';
import type { MetricValues } from '../metrics/metric-names.js';
import type { LossPass } from './loss-pass.js';
import type { EvaluationMetrics, MetricsShape } from './metrics-shape.js';
import { createNetworkMetrics, type NetworkMetrics } from './network-metrics.js';

/** What a pass over validation rows found. */
export interface Judgement {
  readonly loss: number;
  /** Share of the rows, or of the answers, that are right; NaN of numbers. */
  readonly accuracy: number;
  /** The same on every rank. */
  readonly values: MetricValues;
  /** null on other ranks than the first. */
  readonly metrics: EvaluationMetrics | null;
}

/** Measures a network on one rank, on the batches of a validation part. */
export class Evaluator {
  readonly #pass: LossPass;
  readonly #rows: number;
  readonly #isFirstReplica: boolean;
  readonly #metrics: NetworkMetrics;

  /**
   * @param rows of the validation part
   * @param isFirstReplica replicas hold the same weights: the first one's samples count, the others
   *   go along
   */
  constructor(pass: LossPass, rows: number, shape: MetricsShape, isFirstReplica = true) {
    const { objective, network, control } = pass.parts;
    const { sharded } = objective;
    const { first, count, held } = edgeRows(outputEdge(network.specification), network.layout);
    this.#pass = pass;
    this.#rows = rows;
    this.#isFirstReplica = isFirstReplica;
    this.#metrics = createNetworkMetrics({
      shape,
      rows,
      control,
      counts: sharded ? isFirstReplica : control.rank === 0,
      // Of whole outputs each target may have several.
      outputsHere: sharded ? count : shape.names.length,
      outputsHeld: sharded ? held : shape.names.length,
      firstOutput: first,
    });
  }

  /**
   * Mean loss and metrics over the validation batches that come next.
   *
   * @param ghosts in use; null: as many as are
   * @throws TrainingError when the loss is not finite
   */
  evaluate(ghosts: number | null): Judgement {
    const [pass, rows, metrics] = [this.#pass, this.#rows, this.#metrics];
    const { engine, network, objective } = pass.parts;
    const { loss, samples, y, weights } = objective;
    network.useDropout(null);
    if (ghosts !== null) network.useGhosts(ghosts);
    pass.begin();
    metrics.clear();
    for (let done = 0; done < rows; done += loss.validColumns) {
      pass.forward('validation');
      pass.addLosses();
      if (pass.output === null) continue;
      const answers = engine.toHost(y.value);
      const outputs = engine.toHost(pass.output.value);
      const weighted = weights && engine.toHost(weights);
      metrics.add(outputs, answers, loss.validColumns, weighted);
    }
    pass.startAgreement(this.#isFirstReplica, false).wait();
    const { lossSum, weightSum } = pass;
    if (!Number.isFinite(lossSum)) pass.explain('validation', lossSum);
    const { values, all } = metrics.finish();
    const mean = lossSum * loss.scale * (samples / weightSum);
    return { loss: mean, accuracy: values.accuracy ?? Number.NaN, values, metrics: all };
  }
}
