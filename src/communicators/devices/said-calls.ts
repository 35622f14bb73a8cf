import { CollectiveError } from '../../base/errors.js';
import { type Call, describeCall } from '../call.js';
import type { Transport } from '../communicator.js';

/** Where ranks tell what they call, in the numbers that they gather before a collective of regions. */
export const [CODE, LENGTH] = [0, 1];

/** @param all what all ranks have told, by rank, as many numbers each
 * @throws CollectiveError where they have called different things, which ends the group */
export function compareCalls(inner: Transport, call: Call, all: Float64Array): void {
  const { rank: own, size } = inner;
  const each = all.length / size;
  const of = (rank: number, field: number) => all[rank * each + field] ?? 0;
  for (let rank = 0; rank < size; rank++) {
    if (of(rank, CODE) === of(own, CODE) && of(rank, LENGTH) === of(own, LENGTH)) continue;
    const called = (one: number) => describeCall(of(one, CODE), of(one, LENGTH));
    const what =
      `unequal calls: rank ${rank} called ${called(rank)}, rank ${own} ${called(own)}; every rank must make ` +
      'the same calls with the same sizes';
    inner.abort(what);
    throw new CollectiveError(call, what);
  }
}
