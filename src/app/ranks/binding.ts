import { placeRanks, readTopology } from '../../machine/topology.js';
import { KOFFI_PACKAGE, koffiInstalled } from './probes.js';

/** Where ranks that are threads may run: `auto` keeps each on one NUMA node, with its memory, where there
 * are at least as many ranks as nodes; `none` leaves it to the system. */
export type Bind = 'auto' | 'none';

/** Where the threads of a run are bound. */
export interface Binding {
  /** By rank; null: they are not bound: there is one node, there are fewer ranks than
   * nodes, or nobody wants it. */
  readonly processors: readonly (readonly number[])[] | null;
  /** Why they are not bound although they should be; null: all is well. */
  readonly warning: string | null;
}

/** @param root of the file system that tells the machine's topology */
export function bindingOf(bind: Bind, ranks: number, root = '/'): Binding {
  const topology = bind === 'none' ? null : readTopology(root);
  const processors = topology === null ? null : placeRanks(topology, ranks);
  if (processors === null || koffiInstalled()) return { processors, warning: null };
  const reason = `koffi is not installed; npm install ${KOFFI_PACKAGE}`;
  return { processors: null, warning: unboundText(reason) };
}

/** What is said where ranks should be bound and are not. */
export function unboundText(reason: string): string {
  return `ranks are not bound to their NUMA nodes: ${reason}; or --bind none`;
}
