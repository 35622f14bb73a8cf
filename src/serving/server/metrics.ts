import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { EnergyMeter } from '../../energy/meter.js';
import type { BatchEvent } from './batcher.js';
import type { FailureReason } from './protocol-error.js';

/** Bounds of histograms of seconds: 0.1 ms to 10 s. */
const SECONDS = [
  1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];
const ROWS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/** A request that was answered: its rows, and how long they waited, were computed, and took in all. */
export interface AnsweredRequest {
  readonly rows: number;
  readonly queueS: number;
  readonly computeS: number;
  readonly totalS: number;
}

/** What the server has done, for Prometheus. */
export interface ServerMetrics {
  readonly contentType: string;
  text(): Promise<string>;
  request(model: string, answered: AnsweredRequest): void;
  /** @param model an empty text: of none that there is */
  failure(model: string, reason: FailureReason): void;
  batch(model: string, event: BatchEvent): void;
  reload(model: string, succeeded: boolean): void;
}

/**
 * @param state is asked when the metrics are read
 * @param meter with an open window; what it does not know is no metric
 */
export function createMetrics(
  state: () => readonly { readonly name: string; ready: boolean; queuedRows: number }[],
  meter: EnergyMeter,
): ServerMetrics {
  const registers = [new Registry()];
  const [registry] = registers as [Registry];
  const labelNames = ['model'] as const;
  const counter = (name: string, help: string) =>
    new Counter({ name: `phantom_${name}`, help, labelNames, registers });
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name: `phantom_${name}`, help, labelNames, buckets, registers });

  const requests = counter('requests_total', 'Inference requests answered');
  const rows = counter('rows_total', 'Rows answered');
  const failures = new Counter({
    name: 'phantom_request_failures_total',
    help: 'Requests that failed, by reason',
    labelNames: ['model', 'reason'],
    registers,
  });
  const queue = histogram('queue_seconds', 'From arrival to the start of a batch', SECONDS);
  const compute = histogram('compute_seconds', 'From the start of a batch to its answer', SECONDS);
  const total = histogram('request_seconds', 'From the whole body to the answer', SECONDS);
  const batch = histogram('batch_rows', 'Rows per batch', ROWS);
  const batchCompute = counter('batch_compute_seconds_total', 'Time that rank 0 spent in batches');
  const exposed = counter(
    'exposed_communication_seconds_total',
    'Time of it that rank 0 was blocked in collectives',
  );
  const reloads = new Counter({
    name: 'phantom_model_loads_total',
    help: 'Loads of a model, by result',
    labelNames: ['model', 'result'],
    registers,
  });
  const energy = new Counter({
    name: 'phantom_energy_joules_total',
    help: 'Energy since the server was started, and how it was obtained',
    labelNames: ['obtained'],
    registers,
  });
  const gauges = {
    queued: new Gauge({
      name: 'phantom_queued_rows',
      help: 'Rows that wait for a batch',
      labelNames,
      registers,
    }),
    ready: new Gauge({
      name: 'phantom_model_ready',
      help: '1 when the model is ready',
      labelNames,
      registers,
    }),
    perRequest: new Gauge({
      name: 'phantom_energy_joules_per_request',
      help: 'That energy per answered request',
      labelNames: ['obtained'],
      registers,
    }),
    resident: new Gauge({
      name: 'process_resident_memory_bytes',
      help: 'Resident memory of the server and its ranks',
      registers,
    }),
  };
  let answered = 0;
  return {
    contentType: registry.contentType,
    async text() {
      for (const model of state()) {
        gauges.queued.set({ model: model.name }, model.queuedRows);
        gauges.ready.set({ model: model.name }, model.ready ? 1 : 0);
      }
      const { energyJ, obtained } = meter.read();
      // What is read is the whole, and what is not known is no metric.
      energy.reset();
      if (energyJ === null) {
        gauges.perRequest.reset();
      } else {
        energy.inc({ obtained }, energyJ);
        if (answered > 0) gauges.perRequest.set({ obtained }, energyJ / answered);
      }
      gauges.resident.set(process.memoryUsage.rss());
      return registry.metrics();
    },
    request(model, request) {
      const labels = { model };
      answered++;
      requests.inc(labels);
      rows.inc(labels, request.rows);
      queue.observe(labels, request.queueS);
      compute.observe(labels, request.computeS);
      total.observe(labels, request.totalS);
    },
    failure: (model, reason) => failures.inc({ model, reason }),
    batch(model, event) {
      batch.observe({ model }, event.rows);
      batchCompute.inc({ model }, event.computeS);
      exposed.inc({ model }, event.exposedS);
    },
    reload: (model, succeeded) => reloads.inc({ model, result: succeeded ? 'loaded' : 'failed' }),
  };
}
