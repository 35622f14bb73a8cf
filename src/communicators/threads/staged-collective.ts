import { HostCollective } from '../host-transport.js';

/** A collective that goes through staging, chunk by chunk. */
export class StagedCollective extends HostCollective {
  /** Elements of a shard that are exchanged at a time. */
  chunkLength = 1;
  chunks = 0;
  posted = 0;
  completed = 0;
  readonly #finish: (operation: StagedCollective) => void;

  constructor(finish: (operation: StagedCollective) => void) {
    super();
    this.#finish = finish;
  }

  wait(): void {
    this.#finish(this);
  }
}
