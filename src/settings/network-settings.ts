import {
  ghostPrecisionOf,
  type NetworkEnds,
  type NetworkSpecification,
} from '../model/specification.js';
import { exchangesGhosts } from '../layers/strategies.js';
import type { GivenSettings } from './given.js';
import type { TrainingSettings } from './settings.js';

/** Settings of the layers between the ends. */
export type LayerSettings = Pick<
  TrainingSettings,
  | 'width'
  | 'depth'
  | 'widths'
  | 'architecture'
  | 'norm'
  | 'expansion'
  | 'gated'
  | 'dropout'
  | 'blocks'
  | 'ghosts'
  | 'layerGhosts'
  | 'ghostPrecision'
  | 'compute'
  | 'activation'
>;

/** The network that settings make with these ends, its input and head layers replicated. */
export function networkOf(
  settings: LayerSettings,
  strategy: NetworkSpecification['strategy'],
  ends: NetworkEnds,
): NetworkSpecification {
  const { width, depth, widths, blocks, ghosts, layerGhosts, ghostPrecision, activation } =
    settings;
  return {
    strategy,
    width,
    depth,
    ...(widths && { widths }),
    blocks,
    ghosts,
    ...(layerGhosts && { layerGhosts }),
    ghostPrecision,
    ...(settings.compute !== 'float32' && { compute: settings.compute }),
    activation,
    ...(settings.dropout && { dropout: settings.dropout }),
    ...(settings.architecture === 'residual' && {
      residual: {
        norm: settings.norm ?? 'rms',
        expansion: settings.expansion ?? 2,
        ...(settings.gated && { gated: true }),
      },
    }),
    ends,
  };
}

/** How ghosts travel with another strategy than settings were resolved for. */
export function precisionWith(
  strategy: NetworkSpecification['strategy'],
  { compute, ghostPrecision }: Pick<TrainingSettings, 'compute' | 'ghostPrecision'>,
): TrainingSettings['ghostPrecision'] {
  if (!exchangesGhosts(strategy)) return 'float32';
  return compute === 'float32' || ghostPrecision === 'int8' ? ghostPrecision : compute;
}

/** The settings that make a network of this specification. */
export function networkSettings(specification: NetworkSpecification): GivenSettings {
  const { strategy, width, depth, blocks, ghosts, activation, ends } = specification;
  const { compute = 'float32', layerGhosts = null, widths = null } = specification;
  const ghostPrecision = ghostPrecisionOf(specification);
  const { input = 'replicated', head = 'replicated' } = specification;
  const { residual } = specification;
  const architecture = residual ? ('residual' as const) : ('plain' as const);
  const blockForm = { ...residual, gated: residual?.gated ?? false };
  const sizes = { width, depth, widths, architecture, ...blockForm, blocks, ghosts, layerGhosts };
  return { strategy, ...sizes, ghostPrecision, compute, activation, ends: ends.kind, input, head };
}
