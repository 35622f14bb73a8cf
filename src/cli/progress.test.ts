import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PHASES, type PhaseName } from '../base/phases.js';
import type { EndEvent, StartEvent, StepEvent, TrainingEvent } from '../training/events.js';
import type { Console } from './console.js';
import { createProgress, endPairs, liveLine } from './progress.js';
import { Course, sparkline } from './sparkline.js';

const START: StartEvent = {
  type: 'start',
  time: '',
  host: 'here',
  pid: 1,
  runFolder: 'runs/x',
  strategy: 'phantom',
  input: 'replicated',
  head: 'replicated',
  engine: 'wasm',
  engineDescription: '',
  communicator: 'solo',
  replicas: 1,
  processes: null,
  ranks: 1,
  parameters: 10,
  from: null,
  table: null,
  notes: [],
  trainingRows: 100,
  validationRows: 0,
  steps: 100,
  firstStep: 0,
  flopsPerStep: 1,
  sentBytesPerStep: 0,
  receivedBytesPerStep: 0,
  peakFlopsPerS: 1,
  memoryBytes: 1,
  meter: 'modelled',
  meterDescription: '',
  energyObtained: 'modelled',
};

function stepEvent(step: number): StepEvent {
  return {
    type: 'step',
    step,
    epoch: null,
    loss: 0.5,
    accuracy: 0.75,
    gradientNorm: 1,
    learningRate: 0.1,
    stepTimeS: 0.01,
    samplesPerS: 12_800,
    flopsPerS: 1,
    exposedS: 0.001,
    hiddenShare: null,
    collectives: {
      allGather: { postedS: 0, exposedS: 0 },
      allToAll: { postedS: 0, exposedS: 0 },
      reduceScatter: { postedS: 0, exposedS: 0 },
      allReduce: { postedS: 0, exposedS: 0 },
      gradients: { postedS: 0, exposedS: 0 },
      agreement: { postedS: 0, exposedS: 0 },
    },
    modelFlopsUtilization: 0.5,
    sentBytes: 0,
    receivedBytes: 0,
    dataWaitS: 0,
    rankWaitingS: [0],
    energyJ: 12.3,
    elapsedS: 1,
    remainingS: 3,
  };
}

/** What a run's events become on a terminal or in a pipe. */
function shown(where: 'terminal' | 'pipe', events: readonly TrainingEvent[], verbose = false) {
  const lines = { out: [] as string[], err: [] as string[], live: [] as string[] };
  const console: Console = {
    out: (line) => lines.out.push(line),
    err: (line) => lines.err.push(line),
    live: (line) => lines.live.push(line),
    watched: where === 'terminal',
    launcher: null,
    interactive: where === 'terminal',
    columns: 60,
    width: 60,
    style: (_style, text) => text,
  };
  const progress = createProgress(console, { verbose, header: () => ['header'] });
  for (const event of events) progress.onEvent(event);
  return lines;
}

const STEPS = [START, ...Array.from({ length: 100 }, (_, i) => stepEvent(i + 1))];

test('in a pipe every logged step is a short line', () => {
  const { out, live } = shown('pipe', STEPS);
  assert.equal(out.length, 1 + 100);
  assert.equal(out[1], 'step   1/100  loss 0.5000  accuracy 75.0%  10.0 ms per step  3.00 s left');
  assert.match(out.at(-1) ?? '', /^step 100\/100 /);
  assert.deepEqual(live, []);
});

test('with --verbose a line has all readings, and checkpoints have one', () => {
  const checkpoint = { type: 'checkpoint', step: 1, folder: 'runs/x/checkpoints/1' } as const;
  const events = [START, stepEvent(1), checkpoint];
  assert.deepEqual(shown('pipe', events, true).out.slice(1), [
    'step   1/100  loss 0.5000  accuracy 75.0%  10.0 ms per step  12.8 k samples/s  waiting 10%  12.3 J modelled  3.00 s left',
    'step   1/100  checkpoint runs/x/checkpoints/1',
  ]);
  assert.equal(shown('pipe', events).out.length, 2);
});

test('on a terminal steps are one live line that fits, the rest are lines', () => {
  const validation = {
    type: 'validation',
    step: 50,
    rows: 20,
    loss: 1,
    accuracy: 0.5,
    metrics: { accuracy: 0.5, macroF1: 0.41239 },
    best: true,
    rateFactor: 1,
  } as const;
  const { out, live } = shown('terminal', [...STEPS, validation]);
  assert.deepEqual(out, [
    'header',
    'step  50/100  validation loss 1.0000  accuracy 50.00%  macro F1 0.4124',
  ]);
  assert.ok(live.length >= 2, 'the first and the last step are always drawn');
  assert.equal(live.at(-1), '━━━━━━━━━━━━ 100/100 · loss 0.5000 · accuracy 75.0%');
  for (const line of live) assert.ok(Array.from(line).length <= 60, line);
});

test('warnings go where a pipe does not swallow them', () => {
  const { out, err } = shown('pipe', [{ type: 'warning', message: 'low memory' }]);
  assert.deepEqual([out, err], [[], ['warning: low memory']]);
});

test('the bar is empty, half and full where the run is', () => {
  assert.deepEqual(
    [0, 50, 100].map((step) => liveLine(stepEvent(step), START, 80).split(' ')[0]),
    ['─'.repeat(12), '━'.repeat(6) + '─'.repeat(6), '━'.repeat(12)],
  );
});

test('the last validation is a line in a pipe; on a terminal the summary has it', () => {
  const validation = {
    type: 'validation',
    step: 100,
    rows: 20,
    loss: 1,
    accuracy: null,
    metrics: {},
    best: true,
    rateFactor: 0.25,
  } as const;
  assert.equal(shown('pipe', [START, validation]).out.length, 2);
  assert.equal(shown('terminal', [START, validation]).out.length, 1);
});

test('a run comes to five lines, with --verbose to all that is known', () => {
  const phase = { timeS: 1, energyJ: 0.0006 };
  const METRICS: EndEvent['validationMetrics'] = {
    ...{ task: 'regress', values: { rmse: 1234.5678, mae: 1, r2: null }, targets: [] },
  };
  const end: EndEvent = {
    ...{ type: 'end', reason: 'finished', step: 100, steadySteps: 90, loss: 0.5 },
    accuracy: 0.75,
    ...{
      validationLoss: 0.6,
      validationAccuracy: 0.7,
      validationMetrics: METRICS,
      medianStepTimeS: 0.01,
    },
    ...{ samplesPerS: 12_800, ranks: 2, exposedShare: 0.3, hiddenShare: 0.5, elapsedS: 1 },
    ...{ runFolder: 'runs/x', checkpoint: 'runs/x/checkpoints/100', resumeCommand: null },
    best: { by: 'loss', value: 0.55, step: 80 },
    energy: {
      ...{ meter: 'modelled', description: '', obtained: 'modelled', energyJ: 0.0012 },
      ...{ energyKWh: 3.3e-10, meanPowerW: 0.0012, perStepJ: 1.2e-5, perSampleJ: 1e-7 },
      ...{ gpuJ: null, steadyJ: 6e-4, restJ: 6e-4, rankTimesS: [] },
      ...{ perRankJ: [], emissionsG: 2e-7, carbonIntensityGPerKWh: 473, pue: 1.5 },
      phases: Object.fromEntries(PHASES.map((name) => [name, phase])) as Record<
        PhaseName,
        typeof phase
      >,
    },
  };
  assert.deepEqual(endPairs(end), [
    ['validation', 'loss 0.6000, accuracy 70.00%, RMSE 1235, R² –'],
    ['speed', '10.0 ms per step, 12.8 k samples/s, waiting 30%'],
    ['energy', '1.20 mJ modelled, 12.0 µJ per step'],
    ['best', 'step 80, validation loss 0.5500'],
    ['checkpoint', 'runs/x/checkpoints/100'],
  ]);
  assert.deepEqual(
    endPairs(end, true).map(([name]) => name),
    'last batch;validation;speed;communication;energy;power;of it;by phase;emissions;best;checkpoint'.split(
      ';',
    ),
  );
});

test('a sparkline goes from the first value to the last, on a logarithmic scale', () => {
  assert.equal(sparkline([100, 10, 1]), '█▅▁');
  assert.equal(sparkline([0, 7, 0]), '▁█▁');
  assert.equal(sparkline([1]), '');
  assert.equal(sparkline(Array.from({ length: 500 }, (_, i) => i)).length, 16);
  const course = new Course();
  for (let i = 1; i <= 5000; i++) course.add(2 ** -(i / 100));
  assert.match(course.line, /^█.*▁$/);
});

test('the live line has the curve of the loss where there is room', () => {
  const line = (columns: number) => liveLine(stepEvent(50), START, columns, { curve: '█▅▁' });
  assert.match(line(200), / · █▅▁$/);
  assert.doesNotMatch(line(60), /█▅▁/);
});
