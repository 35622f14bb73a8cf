import { canBeSharded, type LossName } from '../layers/loss-names.js';
import { exchangesGhosts } from '../layers/strategies.js';
import { type NetworkSpecification, type SplitKind, widthsOf } from './specification.js';

/** How an input layer or a head is asked to be. */
export type EndChoice = 'auto' | 'replicated' | SplitKind;

/** What the ends are; `none` where features and answers are as wide as the layers. */
export type EndKind = 'none' | 'replicated' | SplitKind;

export function endKinds({ ends, input, head }: NetworkSpecification): {
  input: EndKind;
  head: EndKind;
} {
  if (ends.kind === 'sharded') return { input: 'none', head: 'none' };
  return { input: input ?? 'replicated', head: head ?? 'replicated' };
}

/** How both are asked to be. */
export interface EndChoices {
  readonly input: EndChoice;
  readonly head: EndChoice;
}

/** How both are. */
type SplitEnds = Pick<NetworkSpecification, 'input' | 'head'>;

/** The choices of another strategy's network for one of this strategy: of a split end the
 * counterpart is what serves the strategy best. */
export function endsFor(
  strategy: NetworkSpecification['strategy'],
  { input, head }: EndChoices,
): EndChoices {
  const other = exchangesGhosts(strategy) ? 'gather' : 'phantom';
  const fits = (choice: EndChoice): EndChoice => (choice === other ? 'auto' : choice);
  return { input: fits(input), head: fits(head) };
}

/**
 * Decides which ends of a network with replicated ends are split over the blocks.
 *
 * A phantom input layer takes m = F/P features a block instead of all F: a rank holds and multiplies
 * M·m + K·m + (P−1)·K·M weights where a replicated one has M·F. It is smaller while
 * K·(m + (P−1)·M) < (P−1)·M·m. But a block hears of the features of the others through K numbers
 * each: with K < m a task that needs every feature keeps an error that no training removes. So `auto`
 * takes it only where it is smaller and the replicated layer would be the largest of a rank. A head
 * is the same with m = M in and T/P out, where the loss can be split.
 *
 * Tensor parallelism holds the rows of its input layer without any exchange. Its head sums T·B
 * numbers in an all-reduce, or gathers N·B and scatters as many: less where T > N.
 */
export function splitEnds(
  specification: NetworkSpecification,
  { input, head }: EndChoices,
  loss: LossName,
): SplitEnds {
  const { ends } = specification;
  if (ends.kind === 'sharded') return {};
  const widths = widthsOf(specification);
  const [first = 0, last = 0] = [widths[0], widths.at(-1)];
  const { strategy } = specification;
  const pays = exchangesGhosts(strategy)
    ? {
        input: phantomPays(specification, ends.inputs, first),
        head: phantomPays(specification, last, ends.outputs),
      }
    : { input: false, head: ends.outputs > last };
  const kind: SplitKind = exchangesGhosts(strategy) ? 'phantom' : 'gather';
  const chosen = (choice: EndChoice, isBetter: boolean): SplitKind | undefined => {
    if (choice === 'auto') return isBetter ? kind : undefined;
    return choice === 'replicated' ? undefined : choice;
  };
  const [at, to] = [chosen(input, pays.input), chosen(head, pays.head && canBeSharded(loss))];
  return { ...(at && { input: at }), ...(to && { head: to }) };
}

/** Whether an end of these widths is smaller in phantom form, and the largest layer if it is not. */
function phantomPays(
  specification: NetworkSpecification,
  inputs: number,
  outputs: number,
): boolean {
  const { blocks: P, ghosts: K } = specification;
  const weights = (m: number, n: number) => n * m + K * m + (P - 1) * K * n;
  const widths = widthsOf(specification);
  const hidden = widths.slice(1).map((width, l) => weights((widths[l] ?? 0) / P, width / P));
  const replicated = (inputs * outputs) / P;
  return weights(inputs / P, outputs / P) < replicated && hidden.every((each) => each < replicated);
}
