import type { NetworkSpecification } from '../model/specification.js';
import type { GivenSettings } from './given.js';

/** The settings that make a network of this specification. */
export function networkSettings(specification: NetworkSpecification): GivenSettings {
  const { strategy, width, depth, blocks, ghosts, activation, ends } = specification;
  const { ghostPrecision = 'float32', layerGhosts = null } = specification;
  const sizes = { width, depth, blocks, ghosts, layerGhosts };
  return { strategy, ...sizes, ghostPrecision, activation, ends: ends.kind };
}
