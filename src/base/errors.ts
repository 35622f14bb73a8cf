/**
 * Errors that a user can act on. The message reads `[where] what: values; rule or remedy`; the
 * command prints it as one line and ends with exit code 2.
 */
export class PhantomError extends Error {
  constructor(where: string, what: string, options?: ErrorOptions) {
    super(`[${where}] ${what}`.split('\n').map(shortened).join('\n'), options);
    this.name = new.target.name;
  }
}

/** Of a line of a message. */
const MOST_CHARACTERS = 1000;

/** What a file holds can be in a message, however long it is; the remedy is at the end. */
function shortened(line: string): string {
  if (line.length <= MOST_CHARACTERS) return line;
  return `${line.slice(0, 600)} … ${line.slice(-300)}`;
}

/** A configuration, flag or combination of sizes that cannot be run. */
export class ConfigError extends PhantomError {}
/** Shapes that do not fit one another. */
export class ShapeError extends PhantomError {}
/** Something this machine or build cannot do. */
export class UnsupportedError extends PhantomError {}
/** A native library that is missing, or that failed. */
export class NativeError extends PhantomError {}
/** A collective that failed: a rank that died, a timeout, unequal calls. */
export class CollectiveError extends PhantomError {}
/** A checkpoint or run folder that is missing, incomplete or damaged. */
export class CheckpointError extends PhantomError {}
/** A data file that is missing, truncated or not of the form it claims. */
export class DataError extends PhantomError {}
/** A training run that cannot go on: a loss that is not finite. */
export class TrainingError extends PhantomError {}
/** An energy counter that is missing, may not be read, or went wrong. */
export class MeterError extends PhantomError {}
