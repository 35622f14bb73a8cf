import { ShapeError } from '../base/errors.js';

/** The i-th element. @throws ShapeError where there is none: an operator was given too few inputs */
export function elementOf<T>(list: readonly T[], i: number): T {
  const element = list[i];
  if (element === undefined) {
    throw new ShapeError('operator', `input ${i} of ${list.length} is missing`);
  }
  return element;
}
