import type { HttpBindings } from '@hono/node-server';
import type { AnsweringModel, AskedBody } from './asked.js';
import type { BodyReader } from './body.js';
import { requireFiniteAnswers } from './infer-answer.js';
import type { MemoryBudget, MemoryLease } from './memory-budget.js';
import type { ServerMetrics } from './metrics.js';
import { ProtocolError } from './protocol-error.js';
import type { ServedModel } from './served-model.js';
import { LEAST_BYTES_PER_S, sendAnswer, type SendOptions } from './sending.js';
import { inSpan, type TracedRequest } from './tracing.js';
import type { WorkSlices } from './work-slices.js';

/** What requests may cost. */
export interface RequestBounds {
  readonly maxBodyBytes: number;
  /** Of an answer, in its encoding. */
  readonly maxAnswerBytes: number;
  /** Of all bodies, inputs and answers that have not been sent, together. */
  readonly maxMemoryBytes: number;
  /** Longest time from a request's arrival to its answer, and from there to the answer's end, to
   * which a second is added for each 256 KiB. */
  readonly timeoutMs: number;
}

/** What answering takes. */
export interface AnsweringMeans {
  readonly bodies: BodyReader;
  readonly memory: MemoryBudget;
  readonly slices: WorkSlices;
  readonly bounds: RequestBounds;
  readonly metrics: ServerMetrics;
  readonly draining: () => boolean;
}

/** Rows are asked of a model, of its version or of what there is. */
export interface Asked {
  readonly served: ServedModel;
  readonly version: string | null;
  readonly operation: TracedRequest['operation'];
}

/** How answers leave: their readers have the time of a request, and a least rate. */
export function sendingOf({
  slices,
  bounds,
  draining,
}: Pick<AnsweringMeans, 'slices' | 'bounds' | 'draining'>): SendOptions {
  return {
    slices,
    graceMs: bounds.timeoutMs,
    leastBytesPerS: LEAST_BYTES_PER_S,
    headers: draining() ? { Connection: 'close' } : {},
  };
}

/**
 * Answers a request for rows, of whatever form: what it costs is bounded here.
 *
 * @param bodyOf makes what reads its body
 * @throws ProtocolError for a request that is refused
 */
export async function answerRequest(
  { incoming, outgoing }: HttpBindings,
  asked: Asked,
  bodyOf: (model: AnsweringModel, lease: MemoryLease) => AskedBody,
  means: AnsweringMeans,
): Promise<void> {
  const { served, version, operation } = asked;
  await inSpan(incoming, { operation, model: served.name }, async (span) => {
    const { bodies, memory, slices, bounds, metrics } = means;
    const lease = memory.lease();
    try {
      const body = bodyOf(served.answering(version), lease);
      await bodies.read(incoming, body, lease);
      const arrived = performance.now();
      // What answers now: it may have been loaded while the body was read.
      const current = served.answering(version);
      const wanted = await body.asked(current);
      const { rows, fill, ghosts = current.ghosts, mostBytes } = wanted;
      span.setAttribute('phantom.rows', rows);
      if (mostBytes > bounds.maxAnswerBytes) {
        const what = `the answer to ${rows} rows may have ${mostBytes} bytes`;
        const allowed = `${bounds.maxAnswerBytes} are allowed; send fewer rows at a time`;
        throw new ProtocolError('too_large', `${what}; ${allowed}`);
      }
      lease.take(4 * rows * current.outputs);
      const answer = await served.infer({ rows, fill, ghosts }, version, incoming.socket);
      await requireFiniteAnswers(answer.y, current.outputs, slices);
      const totalS = (performance.now() - arrived) / 1000;
      const { queueS, computeS, batchRows } = answer;
      span.setAttributes({
        'phantom.model.version': answer.version,
        'phantom.batch.rows': batchRows,
        'phantom.queue.seconds': queueS,
        'phantom.compute.seconds': computeS,
      });
      metrics.request(served.name, { rows, queueS, computeS, totalS });
      const encoded = wanted.encode({
        model: served.name,
        version: answer.version,
        ghosts,
        y: answer.y,
      });
      const sent = await sendAnswer(outgoing, encoded, sendingOf(means));
      if (!sent) {
        metrics.failure(served.name, 'slow_reader');
        span.setAttribute('error.type', 'slow_reader');
      }
    } finally {
      lease.release();
    }
  });
}
