import type { TableSchema } from '../data/tables/schema.js';
import { type LossName, type LossOptions, outputsPerTarget } from '../layers/loss-names.js';

/** What is known of a network's outputs. */
export interface OutputSource {
  readonly loss: LossName;
  readonly lossOptions: LossOptions;
  readonly schema: TableSchema | null;
}

/**
 * How an answer comes from an output z: mean + scale · f(z), where f(z) is z, exp z for a loss on
 * the log of a rate, or 1 / (1 + exp −z) for one on probabilities. Plain data.
 */
export interface OutputTransform {
  readonly curve: 'identity' | 'exp' | 'sigmoid';
  /** [outputs]; null: 0. */
  readonly mean: Float32Array | null;
  /** [outputs]; null: 1. */
  readonly scale: Float32Array | null;
}

/** @returns null where answers are the outputs as they are */
export function outputTransform(source: OutputSource): OutputTransform | null {
  const { loss, lossOptions, schema } = source;
  const curve =
    loss === 'poisson' ? 'exp' : loss === 'binary-cross-entropy' ? 'sigmoid' : 'identity';
  const each = outputsPerTarget(loss, lossOptions);
  const numbers = (schema?.targets ?? []).flatMap((target) =>
    target.kind === 'number' ? Array.from({ length: each }, () => target) : [],
  );
  if (numbers.length === 0) {
    return curve === 'identity' ? null : { curve, mean: null, scale: null };
  }
  return {
    curve,
    mean: Float32Array.from(numbers, ({ mean }) => mean),
    scale: Float32Array.from(numbers, ({ scale }) => scale),
  };
}

/** What answers are, in a few words. */
export function describeOutputs(loss: LossName): string {
  const words: Partial<Record<LossName, string>> = {
    'cross-entropy': 'logits of classes',
    'binary-cross-entropy': 'probabilities',
    poisson: 'rates',
    quantile: 'quantiles',
  };
  return words[loss] ?? 'numbers';
}

/** What z of this curve becomes. */
export function curveOf(curve: OutputTransform['curve'], z: number): number {
  if (curve === 'exp') return Math.exp(z);
  return curve === 'sigmoid' ? 1 / (1 + Math.exp(-z)) : z;
}

/** Names of the outputs: those of the targets, with quantiles `price_q0.1` and so on; `y0` and on
 * where the data had none. Not of classes. */
export function outputNames(source: OutputSource, outputs: number): string[] {
  const { loss, lossOptions, schema } = source;
  const each = outputsPerTarget(loss, lossOptions);
  const known = schema?.targets.map(({ name }) => name) ?? [];
  const targets =
    known.length * each === outputs
      ? known
      : Array.from({ length: outputs / each }, (_, i) => `y${i}`);
  if (loss !== 'quantile') return targets;
  return targets.flatMap((name) => lossOptions.quantiles.map((tau) => `${name}_q${tau}`));
}
