import { ShapeError } from '../base/errors.js';

/** @throws ShapeError where a host's array has another length than what it is copied from or to */
export function sameLength(
  array: { readonly length: number },
  region: { readonly length: number },
): void {
  if (array.length === region.length) return;
  const what = `an array of ${array.length} elements for a region of ${region.length}`;
  throw new ShapeError('engine memory', `${what}; needs the same`);
}
