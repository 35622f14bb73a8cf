/** Why a request failed, as the metrics count it. */
export type FailureReason =
  | 'bad_request'
  /** The answer is not finite. */
  | 'overflow'
  | 'unauthorized'
  | 'forbidden'
  | 'not_found'
  | 'too_large'
  | 'unsupported'
  | 'queue_full'
  | 'timeout'
  | 'unavailable'
  | 'disconnected'
  | 'slow_reader'
  | 'internal';

const STATUS = {
  bad_request: 400,
  overflow: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  too_large: 413,
  unsupported: 415,
  queue_full: 429,
  timeout: 503,
  unavailable: 503,
  /** Nobody reads these. */
  disconnected: 499,
  slow_reader: 499,
  internal: 500,
} as const satisfies Record<FailureReason, number>;

/** A failed request: its message becomes the protocol's `{"error": …}`. */
export class ProtocolError extends Error {
  readonly reason: FailureReason;

  constructor(reason: FailureReason, message: string) {
    super(message);
    this.name = 'ProtocolError';
    this.reason = reason;
  }

  get status(): (typeof STATUS)[FailureReason] {
    return STATUS[this.reason];
  }

  /** Whether the same request may succeed later. */
  get retryable(): boolean {
    return this.status === 429 || this.status === 503;
  }
}

export function badRequest(message: string): ProtocolError {
  return new ProtocolError('bad_request', message);
}
