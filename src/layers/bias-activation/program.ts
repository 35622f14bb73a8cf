import type { Activation } from '../../engines/activations.js';
import type { OperationList } from '../operation-list.js';

/**
 * Lists what `BiasActivation` calls in the list's pass.
 *
 * @param rows of each part that has a bias of its own: of every block here, or of all rows together
 */
export function listActivation(
  list: OperationList,
  activation: Activation,
  rows: readonly number[],
): void {
  const isForward = list.pass === 'forward' || list.again !== 'no';
  const kernel = isForward ? 'activation' : 'activation gradient';
  for (const count of rows) list.elements(`${kernel} ${activation}`, count);
}
