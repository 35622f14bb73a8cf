import { createHash } from 'node:crypto';
import os from 'node:os';

import { coreLimit } from '../../base/cores.js';
import type { Communicator } from '../../communicators/communicator.js';
import { readTopology } from '../../machine/topology.js';

/** Processors that a rank may use. */
export interface RankCores {
  /** A number for its machine. */
  readonly host: number;
  /** By number; none: the system does not say. */
  readonly cpus: readonly number[];
  /** Most that its process has time on at once. */
  readonly limit: number;
}

/** Processors that are told by number. */
const MOST_CPUS = 1024;
/** Of a mask, in one float32 number. */
const BITS = 16;

/** Whether on any machine ranks are more than the processors that any of them may use: a launcher may have bound
 * each rank to some of its own. */
export function areCrowded(ranks: readonly RankCores[]): boolean {
  return [...new Set(ranks.map(({ host }) => host))].some((host) => {
    const here = ranks.filter((rank) => rank.host === host);
    const cpus = new Set(here.flatMap((rank) => rank.cpus)).size;
    const limit = Math.floor(Math.min(...here.map((rank) => rank.limit)));
    return here.length > Math.max(1, Math.min(cpus === 0 ? limit : cpus, limit));
  });
}

/** The same for the ranks of a group, each of which calls it; all get the same answer. */
export function coresAreCrowded(communicator: Communicator): boolean {
  const cpus = (readTopology()?.nodes ?? []).flatMap((node) => node.cpus);
  const limit = coreLimit('/')?.cores ?? (cpus.length === 0 ? os.availableParallelism() : Infinity);
  const [host, words] = [createHash('sha256').update(os.hostname()).digest(), MOST_CPUS / BITS];
  const own = new Float32Array(2 + words);
  own[0] = host.readUIntBE(0, 3);
  own[1] = limit;
  for (const cpu of cpus.filter((each) => each < MOST_CPUS)) {
    const word = 2 + Math.floor(cpu / BITS);
    own[word] = (own[word] ?? 0) + 2 ** (cpu % BITS);
  }
  const all = new Float32Array(own.length * communicator.size);
  communicator.allGather(own, all);
  const has = (mask: Float32Array, cpu: number) =>
    (((mask[2 + Math.floor(cpu / BITS)] ?? 0) >> (cpu % BITS)) & 1) === 1;
  return areCrowded(
    Array.from({ length: communicator.size }, (_, rank): RankCores => {
      const of = all.subarray(rank * own.length, (rank + 1) * own.length);
      const numbers = Array.from({ length: MOST_CPUS }, (_unused, cpu) => cpu);
      return {
        host: of[0] ?? 0,
        cpus: numbers.filter((cpu) => has(of, cpu)),
        limit: of[1] ?? Infinity,
      };
    }),
  );
}
