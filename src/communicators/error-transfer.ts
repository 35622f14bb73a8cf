import * as errors from '../base/errors.js';

/** An error as it travels between threads; structured clone drops classes. */
export interface TransferredError {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
}

export function toTransfer(error: unknown): TransferredError {
  if (error instanceof Error) {
    return { name: error.name, message: error.message, stack: error.stack ?? '' };
  }
  // What is thrown can be anything; what people see is its text.
  return { name: 'Error', message: `a rank threw ${String(error)}`, stack: '' };
}

type ErrorClass = new (where: string, what: string) => errors.PhantomError;

/** The error with its class, when that is one of the package's. */
export function fromTransfer({ name, message, stack }: TransferredError): Error {
  const Class = (errors as unknown as Readonly<Record<string, ErrorClass>>)[name];
  const [, where, what] = /^\[([^\]]*)\] (.*)$/s.exec(message) ?? [];
  const known = Class !== undefined && where !== undefined && what !== undefined;
  const error = known ? new Class(where, what) : new Error(message);
  if (!known) error.name = name;
  if (stack !== '') error.stack = stack;
  return error;
}

/** Whether an error, or what structured clone left of it, is one of the package's. */
export function isOwnError({ name }: Pick<Error, 'name'>): boolean {
  return Object.hasOwn(errors, name);
}

/** One line for a cause: the package's own messages say what they are about. */
export function causeText({ name, message }: TransferredError): string {
  return isOwnError({ name }) ? message : `${name}: ${message}`;
}
