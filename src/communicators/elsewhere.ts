/** An error that another process of the job tells; this one ends in silence. */
export class ElsewhereError extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause });
    this.name = 'ElsewhereError';
  }
}
