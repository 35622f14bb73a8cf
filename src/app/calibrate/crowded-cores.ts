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
const MASK_AT = 2;

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
  const own = encodeCores(coresHere());
  const all = new Float32Array(own.length * communicator.size);
  communicator.allGather(own, all);
  return areCrowded(
    Array.from({ length: communicator.size }, (_, rank) =>
      decodeCores(all.subarray(rank * own.length, (rank + 1) * own.length)),
    ),
  );
}

function coresHere(): RankCores {
  const cpus = (readTopology()?.nodes ?? []).flatMap((node) => node.cpus);
  const limit = coreLimit('/')?.cores ?? (cpus.length === 0 ? os.availableParallelism() : Infinity);
  // As many bits as a float32 number has.
  const host = createHash('sha256').update(os.hostname()).digest().readUIntBE(0, 3);
  return { host, cpus, limit };
}

/** Machine, limit, and a mask of processors below 1024. */
export function encodeCores({ host, cpus, limit }: RankCores): Float32Array {
  const numbers = new Float32Array(MASK_AT + MOST_CPUS / BITS);
  numbers[0] = host;
  numbers[1] = limit;
  for (const cpu of cpus.filter((each) => each < MOST_CPUS)) {
    const at = MASK_AT + Math.floor(cpu / BITS);
    numbers[at] = (numbers[at] ?? 0) + 2 ** (cpu % BITS);
  }
  return numbers;
}

/** What `encodeCores` was given. */
export function decodeCores(numbers: Float32Array): RankCores {
  const has = (cpu: number) =>
    (((numbers[MASK_AT + Math.floor(cpu / BITS)] ?? 0) >> (cpu % BITS)) & 1) === 1;
  const cpus = Array.from({ length: MOST_CPUS }, (_, cpu) => cpu).filter(has);
  return { host: numbers[0] ?? 0, cpus, limit: numbers[1] ?? Infinity };
}
