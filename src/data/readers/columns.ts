import { DataError } from '../../base/errors.js';
import { sharedFloat32 } from '../dataset.js';

export interface ChosenColumns {
  /** Positions among all columns, in file order. */
  readonly features: readonly number[];
  readonly targets: readonly number[];
}

const TARGET_NAME = /^(y\d*|label|targets?)$/i;

/**
 * Which columns are to predict: those asked for, else those named y, y0, y1, …, label, target or
 * targets, else the last one.
 *
 * @throws DataError for a name that is not there, or used twice.
 */
export function chooseColumns(
  where: string,
  path: string,
  names: readonly string[],
  wanted: readonly string[] | undefined,
): ChosenColumns {
  const duplicate = names.find((name, i) => names.indexOf(name) !== i);
  if (duplicate !== undefined) {
    throw new DataError(where, `${path}: two columns are named ${JSON.stringify(duplicate)}`);
  }
  const targets = wanted === undefined ? defaultTargets(names) : wanted.map(positionOf);
  const features = names.map((_, i) => i).filter((i) => !targets.includes(i));
  return { features, targets };

  function positionOf(name: string): number {
    const position = names.indexOf(name);
    if (position >= 0) return position;
    const listed = names.slice(0, 12).join(', ') + (names.length > 12 ? ', …' : '');
    throw new DataError(where, `${path}: no column ${name}; the columns are ${listed}`);
  }
}

/**
 * Which columns a network of so many features reads, in file order: all of them, or all but those
 * named like targets.
 *
 * @throws DataError when neither number fits
 */
export function featureColumns(
  where: string,
  path: string,
  names: readonly string[],
  features: number,
): number[] {
  const all = names.map((_, i) => i);
  if (all.length === features) return all;
  const untargeted = all.filter((i) => !TARGET_NAME.test(names[i] as string));
  if (untargeted.length === features) return untargeted;
  const without =
    untargeted.length < all.length ? `, ${untargeted.length} of them not named as targets` : '';
  throw new DataError(
    where,
    `${path}: ${all.length} columns${without}; the model takes ${features} features`,
  );
}

function defaultTargets(names: readonly string[]): number[] {
  const named = names.map((_, i) => i).filter((i) => TARGET_NAME.test(names[i] as string));
  return named.length > 0 ? named : [names.length - 1];
}

/** Floats whose number is not known beforehand, so that no claim of a file is allocated for. */
export class GrowingFloats {
  length = 0;
  private values = new Float32Array(1024);

  push(value: number): void {
    if (this.length === this.values.length) {
      const larger = new Float32Array(2 * this.values.length);
      larger.set(this.values);
      this.values = larger;
    }
    this.values[this.length++] = value;
  }

  /** A copy in shared memory. */
  toShared(): Float32Array {
    const out = sharedFloat32(this.length);
    out.set(this.values.subarray(0, this.length));
    return out;
  }

  /** A copy of its own. */
  toArray(): Float32Array {
    return this.values.slice(0, this.length);
  }
}
