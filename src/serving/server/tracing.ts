import type { IncomingMessage } from 'node:http';
import {
  context,
  propagation,
  type ProxyTracerProvider,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { ProtocolError } from './protocol-error.js';

/** What is asked for, and of which model. */
export interface TracedRequest {
  readonly operation: 'infer' | 'predict';
  readonly model: string;
}

/**
 * Runs `work` in an OpenTelemetry span of its own, below the one that the request's headers name. The
 * span goes to the SDK that the process has registered, as by `node --import`; without one it is
 * nothing. It ends when the answer has been sent or the request has failed, which is said by its reason.
 *
 * The package's version of the API is not the newest, since an SDK of an older minor version than the
 * API's gets nothing, without a word.
 *
 * @throws what `work` throws
 */
export async function inSpan(
  { headers, url = '/' }: IncomingMessage,
  { operation, model }: TracedRequest,
  work: (span: Span) => Promise<void>,
): Promise<void> {
  const parent = propagation.extract(context.active(), headers);
  const [path = '/'] = url.split('?', 1);
  const attributes = {
    'http.request.method': 'POST',
    'url.path': path.slice(0, 200),
    'phantom.model': model,
  };
  const options = { kind: SpanKind.SERVER, attributes };
  const span = trace
    .getTracer('phantom-parallel')
    .startSpan(`${operation} ${model}`, options, parent);
  try {
    await context.with(trace.setSpan(parent, span), () => work(span));
    span.setAttribute('http.response.status_code', 200);
  } catch (error) {
    const { reason, status, message } =
      error instanceof ProtocolError ? error : new ProtocolError('internal', 'internal error');
    span.setAttributes({ 'http.response.status_code': status, 'error.type': reason });
    // What a client did wrong is no error of the server.
    if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR, message });
    throw error;
  } finally {
    span.end();
  }
}

/** Has the SDK that the process has registered send the spans that have ended, where it can.
 * @throws what the SDK throws */
export async function flushSpans(): Promise<void> {
  const provider: object = trace.getTracerProvider();
  // The API's stand-in for the provider, which an SDK with a copy of the API may have made.
  const isProxy = 'getDelegate' in provider && typeof provider.getDelegate === 'function';
  const sdk = (isProxy ? (provider as ProxyTracerProvider).getDelegate() : provider) as Flushable;
  await sdk.forceFlush?.();
}

/** What tracer providers of SDKs have beside the API's. */
interface Flushable {
  forceFlush?(): Promise<void>;
}
