/** Takes structured log lines: fields, then what happened. A pino logger is one. */
export interface Log {
  /** What an operator may want to know. @param fields are written beside the message */
  info(fields: object, message: string): void;
  /** What an operator should look at. */
  warn(fields: object, message: string): void;
  /** What failed. */
  error(fields: object, message: string): void;
}
