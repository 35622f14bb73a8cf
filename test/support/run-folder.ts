import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { formatDescription } from '#src/checkpoints/own-hash.js';

/** Writes a run folder as `phantom train` would, its numbers made up; returns it. */
export function writeRunFolder(
  folder: string,
  changes: {
    readonly settings?: object;
    readonly obtained?: 'modelled' | 'counter';
    readonly lines?: (lines: readonly string[]) => readonly string[];
    readonly data?: string;
  } = {},
): string {
  mkdirSync(folder, { recursive: true });
  const settings = {
    ...{ strategy: 'phantom', width: 64, depth: 2, blocks: 4, ghosts: 4, activation: 'relu' },
    ...{ ends: 'auto', ranks: 2, replicas: 1, engine: 'wasm', timeout: 60, data: 'table.csv' },
    ...{ seed: 0, batch: 16, accumulate: 1, steps: 100, epochs: null, optimizer: 'adam', lr: 0.01 },
    ...changes.settings,
  };
  const { strategy, width, depth, blocks, ghosts, activation } = settings;
  const ends = { kind: 'replicated', inputs: 8, outputs: 2 };
  writeFileSync(
    path.join(folder, 'config.json'),
    formatDescription({
      format: 'phantom-parallel run',
      version: 1,
      created: '2026-01-02T03:04:05.000Z',
      settings,
      specification: { strategy, width, depth, blocks, ghosts, activation, ends },
      loss: 'mse',
      steps: 100,
      data: {
        name: changes.data ?? 'table.csv',
        trainingRows: 1000,
        validationRows: 64,
        features: 8,
        standardization: null,
      },
      versions: { node: 'v20' },
      machine: { cpu: 'a CPU', cores: 2 },
    }),
  );
  const obtained = changes.obtained ?? 'modelled';
  const events: object[] = [
    {
      ...{ type: 'start', time: '2026-01-02T03:04:06.000Z', runFolder: folder, strategy },
      ...{ host: 'a machine of nobody', pid: 1 },
      ...{ engine: 'wasm', engineDescription: 'made up', communicator: '2 worker threads' },
      ...{ ranks: 2, replicas: 1, parameters: 12345, trainingRows: 1000, validationRows: 64 },
      ...{ steps: 100, firstStep: 0, flopsPerStep: 1e6, sentBytesPerStep: 2048 },
      ...{ receivedBytesPerStep: 2048, peakFlopsPerS: 1e10, memoryBytes: 1e6 },
      ...{ meter: 'made-up', meterDescription: 'made up', energyObtained: obtained },
    },
  ];
  const posted = { postedS: 0.001, exposedS: 0.0005 };
  for (let step = 10; step <= 100; step += 10) {
    events.push({
      ...{ type: 'step', step, epoch: step / 60, loss: 1 / step, accuracy: null, gradientNorm: 1 },
      ...{ learningRate: 0.01, stepTimeS: 0.005, samplesPerS: 3200, flopsPerS: 1e9 },
      ...{ modelFlopsUtilization: 0.1, sentBytes: 1, receivedBytes: 1, exposedS: 0.0005 },
      ...{ hiddenShare: 0.66, collectives: { allGather: posted, agreement: posted } },
      ...{
        dataWaitS: 0.0001,
        rankWaitingS: [0.0005, 0.0001],
        energyJ: step * 0.25,
        elapsedS: step * 0.005,
        remainingS: 0,
      },
      ...(step === 100 && { timeline: [0, 1].map(timelineOf) }),
    });
    if (step % 20 === 0) {
      events.push({
        type: 'validation',
        step,
        rows: 64,
        loss: 1.1 / step,
        accuracy: null,
        metrics: {},
      });
    }
  }
  const phase = (timeS: number) => ({ timeS, energyJ: timeS * 50 });
  events.push({
    ...{ type: 'end', reason: 'finished', step: 100, steadySteps: 90, loss: 0.01 },
    accuracy: null,
    ...{
      validationLoss: 0.011,
      validationAccuracy: null,
      validationMetrics: null,
      best: null,
      medianStepTimeS: 0.005,
    },
    ...{ samplesPerS: 3200, ranks: 2, exposedShare: 0.1, hiddenShare: 0.66, elapsedS: 0.6 },
    energy: {
      ...{ meter: 'made-up', description: 'constants of nobody', obtained, energyJ: 30 },
      ...{ energyKWh: 30 / 3.6e6, meanPowerW: 50, perStepJ: 0.3, perSampleJ: 0.02 },
      ...{ steadyJ: 27, restJ: 3 },
      ...{ perRankJ: [15, 15], emissionsG: 0.004, carbonIntensityGPerKWh: 475, pue: 1.2 },
      rankTimesS: [0.8, 1.2].map((times) =>
        [0.25, 0.05, 0.05, 0.05, 0.05, 0.01, 0.08].map((timeS) => timeS * times),
      ),
      phases: {
        ...{ local: phase(0.25), compression: phase(0.05), decompression: phase(0.05) },
        ...{ waiting: phase(0.05), optimizer: phase(0.05), data: phase(0.01), other: phase(0.08) },
      },
    },
    ...{ runFolder: folder, checkpoint: 'none', resumeCommand: null },
  });
  const lines = events.map((event) => JSON.stringify(event));
  const text = (changes.lines ?? ((all) => all))([...lines, '']).join('\n');
  writeFileSync(path.join(folder, 'metrics.jsonl'), text);
  return folder;
}

function timelineOf(rank: number) {
  const lag = 300 * rank;
  return {
    rank,
    dataUs: [0, 100],
    forwardUs: [100, 1500 + lag, 2000, 2100],
    waitingUs: [1500 + lag, 2000],
    backwardUs: [2100, 4400],
    optimizerUs: [4400, 4900],
    otherUs: [4900, 5000],
    hiddenUs: [400, 1500 + lag, 2500, 3900],
  };
}
