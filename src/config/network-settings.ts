import type { NetworkSpecification } from '../model/specification.js';
import type { GivenSettings } from './schema.js';

/** The settings that make a network of this specification. */
export function networkSettings(specification: NetworkSpecification): GivenSettings {
  const { strategy, width, depth, blocks, ghosts, activation, ends } = specification;
  const { ghostPrecision = 'float32' } = specification;
  return { strategy, width, depth, blocks, ghosts, ghostPrecision, activation, ends: ends.kind };
}
