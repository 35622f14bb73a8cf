import { DataError } from '../../base/errors.js';
import { identifier } from './database.js';
import type { ColumnProfile } from './profile.js';

/** A column that cannot be used as it is; leaving it out would help. */
export class ColumnError extends DataError {
  readonly column: string;
  /** What follows the column's name in the message. */
  readonly what: string;

  constructor(table: string, column: string, what: string) {
    super('data', `${table}: column ${column} ${what}`);
    this.column = column;
    this.what = what;
  }
}

/** @throws ColumnError for a column that cannot be used as it is, with what to do */
export function refuseColumn(profile: ColumnProfile, where: string): void {
  const { name, kind, type, min, max, odd } = profile;
  const refuse = (what: string): never => {
    throw new ColumnError(where, name, what);
  };
  if (profile.ambiguous) {
    refuse(
      `holds ${JSON.stringify(odd)}; say whether its comma is decimal or between ` +
        'thousands: --decimal comma, or --decimal point',
    );
  }
  if (kind === 'date') {
    const [what, part] = type.startsWith('INTERVAL')
      ? ['lengths of time', 'epoch']
      : /^TIME($| )/.test(type)
        ? ['times', 'hour']
        : ['dates', 'year'];
    const query = `--data "select *, ${part}(${identifier(name)}) as ${part} from …"`;
    refuse(
      `holds ${what}; make numbers of them, as with ${query}, or leave it out: --ignore ${name}`,
    );
  }
  if (kind === 'other') {
    refuse(
      `is of type ${type}; select single numbers or texts from it by a query, ` +
        `or leave it out: --ignore ${name}`,
    );
  }
  if (
    kind === 'number' &&
    !(Number.isFinite(Math.fround(min)) && Number.isFinite(Math.fround(max)))
  ) {
    const value = Number.isFinite(Math.fround(min)) ? max : min;
    refuse(
      `holds ${value}, which is not finite in float32; correct it, or leave it out: --ignore ${name}`,
    );
  }
}
