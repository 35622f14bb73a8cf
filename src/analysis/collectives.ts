import type { NetworkCollective } from '../layers/operations.js';

/** A link's latency α in seconds and its time for a byte β, 1 / bandwidth. */
export interface AlphaBeta {
  readonly latencyS: number;
  readonly secondsPerByte: number;
}

/** Where ranks stand: `perNode` on each node, joined by links within and between nodes. */
export interface Topology {
  readonly perNode: number;
  readonly within: AlphaBeta;
  readonly between: AlphaBeta;
}

/** How messages of a collective travel. */
export type Algorithm = 'ring' | 'recursive' | 'hierarchical';

/** The size of a collective. */
export interface CollectiveSize {
  readonly collective: NetworkCollective;
  /** R */
  readonly ranks: number;
  /** Bytes of the larger buffer, n. */
  readonly wholeBytes: number;
}

/** What one rank does in a collective. */
export interface CollectiveCost {
  readonly algorithm: Algorithm;
  /** Messages that a rank sends, one after another. */
  readonly messages: number;
  readonly sentBytes: number;
  readonly seconds: number;
}

/**
 * A collective among R ranks on a larger buffer of n bytes, by the α-β model (Thakur, Rabenseifner
 * and Gropp 2005; Chan et al. 2007). For all-gather, and its mirror image the reduce-scatter:
 *
 * | algorithm | messages of a rank | seconds |
 * |---|---|---|
 * | ring | R − 1 | (R−1)α + (R−1)/R · nβ |
 * | recursive doubling or halving | ⌈log₂ R⌉ | ⌈log₂ R⌉α + (R−1)/R · nβ |
 * | hierarchical, G ranks on each of H nodes | ⌈log₂ H⌉ + ⌈log₂ G⌉ | between nodes on n/G bytes, then within them on n |
 *
 * An all-reduce is a reduce-scatter and an all-gather; an all-to-all exchanges pairs, R − 1 messages
 * as in a ring. Flat algorithms whose ranks span nodes pay
 * the slower of the two links for all their messages. For ranks that are no power of two, recursive
 * doubling is taken for Bruck's form, which sends as many bytes.
 */
export function collectiveCost(
  { collective, ranks, wholeBytes }: CollectiveSize,
  algorithm: Algorithm,
  topology: Topology,
): CollectiveCost {
  const passes = collective === 'all-reduce' ? 2 : 1;
  if (ranks === 1) return { algorithm, messages: 0, sentBytes: 0, seconds: 0 };
  const { within, between, perNode } = topology;
  const oneNode = ranks <= perNode;
  if (algorithm === 'hierarchical' && !oneNode) {
    const nodes = Math.ceil(ranks / perNode);
    const far = flat('recursive', nodes, wholeBytes / perNode, between);
    const near = flat('recursive', perNode, wholeBytes, within);
    return {
      algorithm,
      messages: passes * (far.messages + near.messages),
      sentBytes: passes * (far.sentBytes + near.sentBytes),
      seconds: passes * (far.seconds + near.seconds),
    };
  }
  const slower = {
    latencyS: Math.max(within.latencyS, between.latencyS),
    secondsPerByte: Math.max(within.secondsPerByte, between.secondsPerByte),
  };
  const link = oneNode ? within : slower;
  const once = flat(algorithm === 'ring' ? 'ring' : 'recursive', ranks, wholeBytes, link);
  return {
    algorithm,
    messages: passes * once.messages,
    sentBytes: passes * once.sentBytes,
    seconds: passes * once.seconds,
  };
}

function flat(
  algorithm: 'ring' | 'recursive',
  ranks: number,
  wholeBytes: number,
  { latencyS, secondsPerByte }: AlphaBeta,
): { messages: number; sentBytes: number; seconds: number } {
  const messages = algorithm === 'ring' ? ranks - 1 : Math.ceil(Math.log2(ranks));
  const sentBytes = ((ranks - 1) / ranks) * wholeBytes;
  return { messages, sentBytes, seconds: messages * latencyS + sentBytes * secondsPerByte };
}

/** The algorithm that takes least time; on a tie the one that is named first. */
export function bestCollective(size: CollectiveSize, topology: Topology): CollectiveCost {
  const { collective, ranks } = size;
  const algorithms: readonly Algorithm[] =
    collective === 'all-to-all'
      ? ['ring']
      : ranks > topology.perNode && topology.perNode > 1
        ? ['hierarchical', 'recursive', 'ring']
        : ['recursive', 'ring'];
  return algorithms
    .map((algorithm) => collectiveCost(size, algorithm, topology))
    .reduce((best, cost) => (cost.seconds < best.seconds ? cost : best));
}
