import { type Plan, planStep } from '../../analysis/plan.js';
import type { StepShape } from '../../analysis/step-program.js';
import { ConfigError } from '../../base/errors.js';
import { readMachine } from '../../machine/machines.js';
import type { Strategy } from '../../layers/strategies.js';
import { endsFor, splitEnds } from '../../model/split-ends.js';
import { type NetworkEnds, validateSpecification } from '../../model/specification.js';
import { type LayerSettings, ghostFormWith, networkOf } from '../../settings/network-settings.js';
import type { TrainingSettings } from '../../settings/settings.js';

/** Settings that decide what a step comes to, each with the default that it has in training. */
export type NetworkSettings = Pick<
  TrainingSettings,
  keyof LayerSettings | 'input' | 'head' | 'batch' | 'optimizer' | 'ema'
>;

/** What `plan` derives a step of. */
export interface PlanSettings extends Partial<NetworkSettings> {
  /** Default `phantom`. */
  readonly strategy?: Strategy;
  /** Ranks; they divide the blocks. Default: one per block. */
  readonly ranks?: number;
  /** A known machine (`a100`, `h100`, `h200`, `mi250x`, `mi300x`: peaks of their data sheets) or a
   * file that `calibrate` wrote. Default `mi250x`. */
  readonly machine?: string;
  /** Whose measured collectives count, of a calibrated machine. Default `threads`. */
  readonly transport?: 'threads' | 'mpi';
  /** Features and targets of replicated ends; give both or neither. Default: both as wide as the
   * layers, and sharded. */
  readonly inputs?: number;
  readonly outputs?: number;
}

/**
 * Derives a training step from its sizes, without running anything: FLOPs, bytes, collectives and
 * memory of a rank exactly, seconds and joules by the model of a machine.
 *
 * @throws ConfigError for sizes that do not fit one another, or a machine that is not known
 *
 * @example
 * ```ts
 * import { plan } from 'phantom-parallel';
 *
 * const network = { width: 65536, depth: 4, blocks: 64, batch: 1024, machine: 'h100' };
 * for (const strategy of ['phantom', 'tensor'] as const) {
 *   const { forwardFlops, sentBytes, time } = await plan({ ...network, ghosts: 64, strategy });
 *   console.log(strategy, forwardFlops, sentBytes, `${time?.stepS} s, modelled`);
 * }
 * ```
 */
export async function plan(settings: PlanSettings): Promise<Plan> {
  const { checkSettings } = await import('../../settings/checked-settings.js');
  const { resolveSettings } = await import('../../settings/resolve.js');
  const { machine = 'mi250x', transport, inputs, outputs, ranks, ...given } = settings;
  const strategy = given.strategy ?? 'phantom';
  const network = resolveSettings([checkSettings('plan', { ...given, strategy })], null);
  const shape = shapeOf(network, { strategy, ranks: ranks ?? null, ends: endsOf(inputs, outputs) });
  return planStep(shape, await readMachine(machine), transport);
}

/** @param place ranks: null, one per block */
export function shapeOf(
  settings: NetworkSettings,
  place: { readonly strategy: Strategy; readonly ranks: number | null; readonly ends: NetworkEnds },
): StepShape {
  const { strategy, ends, ranks } = place;
  const ghostForm = ghostFormWith(strategy, settings);
  const network = networkOf({ ...settings, ...ghostForm }, strategy, ends);
  const choices = endsFor(strategy, settings);
  const specification = { ...network, ...splitEnds(network, choices, 'mse') };
  validateSpecification(specification);
  return {
    specification,
    ranks: ranks ?? settings.blocks,
    columns: settings.batch,
    loss: 'mse',
    optimizer: settings.optimizer,
    average: settings.ema !== null,
    tf32: settings.compute === 'tf32',
    inputGradient: false,
  };
}

function endsOf(inputs: number | undefined, outputs: number | undefined): NetworkEnds {
  if (inputs === undefined && outputs === undefined) return { kind: 'sharded' };
  if (inputs !== undefined && outputs !== undefined) return { kind: 'replicated', inputs, outputs };
  throw new ConfigError('plan', 'one of inputs and outputs; give both or neither');
}
