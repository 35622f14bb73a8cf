import type { Call } from '../call.js';
import type { MovedPayload, Payload, PendingCollective } from '../communicator.js';

export const EMPTY = new Float32Array(0);

/** A started collective; reused, so that none is made while a program runs. */
export class StagedCollective implements PendingCollective {
  call: Call = 'barrier';
  code = 0;
  send: Payload | MovedPayload = EMPTY;
  receive: Payload | MovedPayload = EMPTY;
  root = 0;
  /** Elements of the payload, of one shard for all-gather, all-to-all and reduce-scatter. */
  length = 0;
  chunkLength = 1;
  chunks = 0;
  posted = 0;
  completed = 0;
  /** Started, and not waited for. */
  busy = false;
  readonly #finish: (operation: StagedCollective) => void;

  constructor(finish: (operation: StagedCollective) => void) {
    this.#finish = finish;
  }

  wait(): void {
    this.#finish(this);
  }
}
