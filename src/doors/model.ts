/**
 * Networks: from a specification to the part that one rank holds.
 *
 * @module phantom-parallel/model
 */
export { NestedGhosts } from '../model/nested-ghosts.js';
export { buildNetwork, FeedForward, type NetworkOptions } from '../model/network.js';
export { networkLayers, type NetworkLayer } from '../model/network-layers.js';
export {
  type NetworkEnds,
  type NetworkSpecification,
  validateSpecification,
} from '../model/specification.js';
