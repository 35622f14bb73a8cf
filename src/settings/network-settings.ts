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
  | 'recompute'
  | 'blocks'
  | 'ghosts'
  | 'layerGhosts'
  | 'ghostPrecision'
  | 'ghostActivation'
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
  const { ghostActivation } = settings;
  return {
    strategy,
    width,
    depth,
    ...(widths && { widths }),
    blocks,
    ghosts,
    ...(layerGhosts && { layerGhosts }),
    ghostPrecision,
    ...(ghostActivation !== 'none' && { ghostActivation }),
    ...(settings.compute === 'bfloat16' && { compute: settings.compute }),
    activation,
    ...(settings.dropout && { dropout: settings.dropout }),
    ...(settings.recompute && { recompute: settings.recompute }),
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

type GhostForm = Pick<TrainingSettings, 'ghostPrecision' | 'ghostActivation'>;

/** How ghosts travel with another strategy than settings were resolved for, and what is on them. */
export function ghostFormWith(
  strategy: NetworkSpecification['strategy'],
  { compute, ghostPrecision, ghostActivation }: Pick<TrainingSettings, 'compute'> & GhostForm,
): GhostForm {
  if (!exchangesGhosts(strategy)) return { ghostPrecision: 'float32', ghostActivation: 'none' };
  const isFree = compute !== 'bfloat16' || ghostPrecision === 'int8';
  return { ghostPrecision: isFree ? ghostPrecision : compute, ghostActivation };
}

/** The settings that make a network of this specification. */
export function networkSettings(specification: NetworkSpecification): GivenSettings {
  const { strategy, width, depth, blocks, ghosts, activation, ends } = specification;
  const { compute = 'float32', layerGhosts = null, widths = null } = specification;
  const ghostForm = {
    ghostPrecision: ghostPrecisionOf(specification),
    ghostActivation: specification.ghostActivation ?? ('none' as const),
  };
  const { input = 'replicated', head = 'replicated' } = specification;
  const { residual } = specification;
  const architecture = residual ? ('residual' as const) : ('plain' as const);
  const blockForm = { ...residual, gated: residual?.gated ?? false };
  const sizes = { width, depth, widths, architecture, ...blockForm, blocks, ghosts, layerGhosts };
  return { strategy, ...sizes, ...ghostForm, compute, activation, ends: ends.kind, input, head };
}
