import { DataError } from '../../base/errors.js';

/** Names of a feature array and of the answers to its rows. */
export interface ArrayPair {
  readonly x: string;
  readonly y: string;
}

export interface ArrayPairs {
  readonly training: ArrayPair;
  readonly validation: ArrayPair | null;
}

const WORD = (words: string) => new RegExp(`^(?:(.*)[-_.])?(?:${words})(?:[-_.](.*))?$`, 'i');
const FEATURES = WORD('x|features|inputs');
const ANSWERS = WORD('y|labels?|targets?');
const TRAINING = /^(train|training|)$/;
const VALIDATION = /^(test|testing|val|valid|validation|dev)$/;

/** What a name says beside that it is features, or answers; null: it says neither. */
function restOf(name: string, pattern: RegExp): string | null {
  const match = pattern.exec(name);
  return match && [match[1], match[2]].filter(Boolean).join('_').toLowerCase();
}

/**
 * Finds which arrays belong together: `x` and `y`, `X_train` and `y_train`, `train-features` and
 * `train-labels`; `test` or `valid` in place of `train` are the rows to validate on.
 *
 * @returns null when no name is that of features
 * @throws DataError for features without answers, or when several could be meant
 */
export function pairArrays(
  where: string,
  path: string,
  names: readonly string[],
): ArrayPairs | null {
  const pairs = names.flatMap((x) => {
    const rest = restOf(x, FEATURES);
    return rest === null ? [] : [{ rest, x, y: answersTo(rest, names) }];
  });
  if (pairs.length === 0) return null;
  const lone = pairs.find(({ y }) => y === null);
  if (lone !== undefined) {
    const held = names.length > 8 ? [...names.slice(0, 8), '…'] : names;
    const what = `${lone.x} has no answers beside it; y goes with x, y_train with x_train`;
    throw new DataError(where, `${path}: ${what}; it holds ${held.join(', ')}`);
  }
  const of = (pattern: RegExp) => pairs.filter(({ rest }) => pattern.test(rest));
  const [held, others] = [of(VALIDATION), pairs.filter(({ rest }) => !VALIDATION.test(rest))];
  const named = of(TRAINING);
  const training = named.length > 0 ? named : others;
  const [only, another] = training;
  const [validation = null, more] = held;
  if (only === undefined || another !== undefined || more !== undefined) {
    const candidates = (only === undefined || another === undefined ? held : training).map(
      ({ x }) => x,
    );
    const what = `${candidates.join(' and ')} could be features`;
    throw new DataError(where, `${path}: ${what}; keep one of x, x_train beside x_test`);
  }
  const pair = ({ x, y }: (typeof pairs)[number]) => ({ x, y: y as string });
  return { training: pair(only), validation: validation && pair(validation) };
}

function answersTo(rest: string, names: readonly string[]): string | null {
  return names.find((name) => restOf(name, ANSWERS) === rest) ?? null;
}

/** The name of the answers that go with features of this name; null: it is no name of features. */
export function answersName(x: string, names: readonly string[]): string | null {
  const rest = restOf(x, FEATURES);
  return rest === null ? null : answersTo(rest, names);
}
