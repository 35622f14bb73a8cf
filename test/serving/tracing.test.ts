// Spans of requests, as an SDK that the process has registered gets them.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import {
  type Attributes,
  type Context,
  propagation,
  type Span,
  type SpanContext,
  SpanKind,
  type SpanOptions,
  type SpanStatus,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { inferBody, rowsOf } from '../support/inference-client.js';
import { servedRun } from '../support/served-run.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';

interface Recorded {
  readonly name: string;
  readonly kind: SpanKind | undefined;
  readonly parent: SpanContext | undefined;
  readonly attributes: Attributes;
  status: SpanStatus | null;
  ended: number;
}

/** As little of an SDK as there can be. */
class Recorder {
  readonly spans: Recorded[] = [];

  flushes = 0;

  async forceFlush() {
    this.flushes++;
  }

  getTracer() {
    return { startSpan: this.#start, startActiveSpan: () => assert.fail('not used') };
  }

  readonly #start = (name: string, options: SpanOptions = {}, context?: Context): Span => {
    const recorded: Recorded = {
      name,
      kind: options.kind,
      parent: context && trace.getSpanContext(context),
      attributes: { ...options.attributes },
      status: null,
      ended: 0,
    };
    this.spans.push(recorded);
    const span: Span = {
      spanContext: () => ({ traceId: TRACE, spanId: PARENT, traceFlags: 1 }),
      setAttribute: (key, value) => span.setAttributes({ [key]: value }),
      setAttributes: (more) => Object.assign(recorded.attributes, more) && span,
      setStatus: (status) => Object.assign(recorded, { status }) && span,
      addEvent: () => span,
      addLink: () => span,
      addLinks: () => span,
      updateName: () => span,
      isRecording: () => true,
      recordException: () => {},
      end: () => {
        recorded.ended++;
      },
    };
    return span;
  };
}

describe('spans of requests', () => {
  const served = servedRun();
  const recorder = new Recorder();
  trace.setGlobalTracerProvider(recorder);
  propagation.setGlobalPropagator({
    inject: () => {},
    fields: () => ['traceparent'],
    extract(context, carrier, getter) {
      const [, traceId = '', spanId = ''] = String(getter.get(carrier, 'traceparent')).split('-');
      return traceId === ''
        ? context
        : trace.setSpanContext(context, { traceId, spanId, traceFlags: 1, isRemote: true });
    },
  });
  after(() => {
    trace.disable();
    propagation.disable();
  });
  const only = () => {
    const [span, ...others] = recorder.spans.splice(0);
    assert.ok(span !== undefined && others.length === 0);
    assert.equal(span.ended, 1);
    return span;
  };

  it('have model, rows, batch and times, below the span that the request names', async () => {
    const headers = { traceparent: `00-${TRACE}-${PARENT}-01` };
    assert.equal((await served.infer(inferBody(rowsOf(3)), headers)).status, 200);
    const { name, kind, parent, attributes, status } = only();
    assert.deepEqual([name, kind, status], ['infer m', SpanKind.SERVER, null]);
    assert.deepEqual([parent?.traceId, parent?.spanId], [TRACE, PARENT]);
    const {
      'phantom.queue.seconds': queueS,
      'phantom.compute.seconds': computeS,
      ...others
    } = attributes;
    assert.deepEqual(others, {
      'http.request.method': 'POST',
      'url.path': '/v2/models/m/infer',
      'phantom.model': 'm',
      'phantom.rows': 3,
      'phantom.model.version': '4',
      'phantom.batch.rows': 3,
      'http.response.status_code': 200,
    });
    for (const timeS of [queueS, computeS]) assert.ok(Number(timeS) >= 0);
    assert.ok(Number(computeS) > 0);
    // Nine rows are two batches, of which the second has one row.
    assert.equal((await served.infer(inferBody(rowsOf(9)))).status, 200);
    const two = only();
    assert.deepEqual([two.attributes['phantom.batch.rows'], two.parent], [1, undefined]);
  });

  it('say why a request failed; of the server alone it is an error', async () => {
    assert.equal((await served.infer({ inputs: [] })).status, 400);
    const wrong = only();
    assert.equal(wrong.attributes['http.response.status_code'], 400);
    assert.equal(wrong.attributes['error.type'], 'bad_request');
    assert.equal(wrong.status, null);

    const { status } = await served.send('/v2/models/m/versions/5/infer', inferBody(rowsOf(1)));
    assert.equal(only().attributes['http.response.status_code'], status);
    await served.get('/v2/health/live');
    await served.send('/v2/models/none/infer', {});
    assert.deepEqual(recorder.spans, []);

    assert.equal(recorder.flushes, 0);
    await served.server.close(1000);
    assert.equal(recorder.flushes, 1, 'the last spans are sent before the server ends');
    await assert.rejects(served.infer(inferBody(rowsOf(1))));
  });
});

describe('a failed request', () => {
  it('of the server is an error of its span', async () => {
    const recorder = new Recorder();
    trace.setGlobalTracerProvider(recorder);
    const { inSpan } = await import('#src/serving/server/tracing.js');
    const { ProtocolError } = await import('#src/serving/server/protocol-error.js');
    const request = { headers: {}, url: '/predict?x' } as never;
    const fail = (error: Error) =>
      inSpan(request, { operation: 'predict', model: 'm' }, async () => {
        throw error;
      });
    await assert.rejects(fail(new ProtocolError('unavailable', 'the model has failed')));
    await assert.rejects(fail(new Error('a secret')));
    trace.disable();
    assert.deepEqual(
      recorder.spans.map(({ status, attributes, ended }) => [
        status,
        attributes['error.type'],
        attributes['url.path'],
        ended,
      ]),
      [
        [
          { code: SpanStatusCode.ERROR, message: 'the model has failed' },
          'unavailable',
          '/predict',
          1,
        ],
        [{ code: SpanStatusCode.ERROR, message: 'internal error' }, 'internal', '/predict', 1],
      ],
    );
  });
});
