/** Networks: from a specification to the part that one rank holds. */
export { NestedGhosts } from '../model/nested-ghosts.js';
export { buildNetwork, FeedForward } from '../model/network.js';
export {
  type NetworkEnds,
  type NetworkSpecification,
  type Strategy,
  validateSpecification,
} from '../model/specification.js';
