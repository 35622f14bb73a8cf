import { DataError } from '../../base/errors.js';
import type { ColumnProfile } from './profile.js';
import { refuseColumn } from './refuse-column.js';
import type { Task } from './schema.js';

/** Integers with at most so many different values are taken as classes. */
const FEW_INTEGERS = 30;

/** A choice, and what people should know of it. */
export interface Chosen<T> {
  readonly chosen: T;
  readonly notes: readonly string[];
}

/**
 * The column to predict where none was named: the only one called target, label or y; else the last.
 *
 * @param usable columns that may be it
 * @param where the location, for messages
 * @throws DataError for several candidates, or no columns
 */
export function chooseTarget(
  usable: readonly ColumnProfile[],
  where: string,
): Chosen<ColumnProfile> {
  const named = usable.filter(({ name }) => /^(target|label|y)$/i.test(name));
  const last = usable.at(-1);
  if (last === undefined) throw new DataError('data', `${where}: no columns`);
  const [only] = named;
  // x and y side by side are coordinates as often as features and target.
  const coordinates =
    only !== undefined &&
    /^y$/i.test(only.name) &&
    only !== last &&
    usable.some(({ name }) => /^x$/i.test(name));
  if (named.length > 1 || coordinates) {
    const candidates = coordinates ? [only, last] : named;
    const names = candidates.map(({ name }) => name);
    const what = `${names.join(' or ')} could be the target; say which: --target ${names[0]}`;
    throw new DataError('data', `${where}: ${what}`);
  }
  const chosen = only ?? last;
  const why = only === undefined ? 'the last column' : 'by its name';
  return { chosen, notes: [`target: ${chosen.name}, ${why} (--target chooses another)`] };
}

/**
 * What the targets are predicted as: what was asked for, else what they hold says.
 *
 * @param asked the task that was asked for, and what integers that could be classes are taken for
 * @param where the location, for messages
 * @throws DataError for targets that cannot be predicted
 */
export function chooseTask(
  targets: readonly ColumnProfile[],
  asked: { readonly task?: Task; readonly prefers?: Task },
  where: string,
): Chosen<Task> {
  const { task, prefers } = asked;
  for (const column of targets) refuseColumn(column, where);
  const plainly = (chosen: Task): Chosen<Task> => ({ chosen, notes: [] });
  if (task !== undefined) return plainly(task);
  const names = targets.map(({ name }) => name).join(', ');
  if (prefers === 'multilabel') return plainly(prefers);
  if (targets.length > 1) {
    const answers = targets.every(
      ({ kind, integers, min, max }) =>
        kind === 'boolean' || (kind === 'number' && integers && min === 0 && max === 1),
    );
    if (!answers || prefers !== undefined) return plainly('regress');
    const note = 'zeros and ones, taken as yes or no (--task regress fits numbers instead)';
    return { chosen: 'multilabel', notes: [`${names}: ${note}`] };
  }
  const [target] = targets as [ColumnProfile];
  if (target.kind === 'nothing') {
    throw new DataError('data', `${where}: column ${names} has no values`);
  }
  if (target.kind === 'boolean' || target.kind === 'text') return plainly('classify');
  if (!target.integers) return plainly('regress');
  if (prefers !== undefined) return plainly(prefers);
  const named = /^(label|class|category)$/i.test(target.name);
  const few =
    named ||
    (target.distinct <= FEW_INTEGERS && target.max - target.min + 1 <= 2 * target.distinct);
  const note = few
    ? `${target.distinct} different integers, taken as classes (--task regress fits numbers instead)`
    : 'integers, fitted as numbers (--task classify takes each value as a class)';
  return { chosen: few ? 'classify' : 'regress', notes: [`${names}: ${note}`] };
}
