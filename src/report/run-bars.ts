import { rankMemory } from '../analysis/step-memory.js';
import { type Bar, stackedBars } from './bar-chart.js';
import type { Chart } from './chart.js';
import type { RunRecord, StepRecord } from './run-record.js';

type Maker = (width: number) => Chart;

/** Means over the later half of the logged steps: the first allocate and compile. */
function settled(steps: readonly StepRecord[], read: (step: StepRecord) => number | null) {
  const later = steps.slice(Math.floor(steps.length / 2)).map(read);
  const known = later.filter((value) => value !== null);
  if (known.length === 0) return null;
  return known.reduce((sum, value) => sum + value, 0) / known.length;
}

function stepsOf(run: RunRecord): number {
  const done = (run.end?.step ?? 0) - (run.start?.firstStep ?? 0);
  return done > 0 ? done : 0;
}

const PHASES = ['local', 'compression', 'decompression', 'waiting', 'optimizer', 'data', 'other'];

/** Seconds per step by phase, of runs that recorded them. */
export function phaseBars(runs: readonly RunRecord[]): Maker[] {
  const bars = phasesOf(runs, ({ timeS }) => timeS, false);
  if (bars.length === 0) return [];
  return [
    (width) =>
      stackedBars({
        title: 'Time per step by phase, mean over ranks',
        width,
        axis: 'time per step',
        unit: 's',
        parts: PHASES,
        bars,
      }),
  ];
}

/** Joules per step by phase. */
export function phaseEnergyBars(runs: readonly RunRecord[]): Maker[] {
  const bars = phasesOf(runs, ({ energyJ }) => energyJ, true);
  if (bars.every(({ values }) => values.every((value) => value === null))) return [];
  return [
    (width) =>
      stackedBars({
        title: 'Energy per step by phase',
        width,
        axis: 'energy per step',
        unit: 'J',
        parts: PHASES,
        bars,
      }),
  ];
}

function phasesOf(
  runs: readonly RunRecord[],
  read: (phase: { timeS: number; energyJ: number | null }) => number | null,
  isEnergy: boolean,
): Bar[] {
  return runs.flatMap((run) => {
    const steps = stepsOf(run);
    const { energy } = run;
    if (energy === null || energy.phases.length === 0 || steps === 0) return [];
    const byName = new Map(energy.phases.map((phase) => [phase.name, phase]));
    const values = PHASES.map((name) => {
      const phase = byName.get(name);
      const value = phase === undefined ? null : read(phase);
      return value === null ? null : value / steps;
    });
    return [{ label: run.name, values, modelled: isEnergy && energy.obtained === 'modelled' }];
  });
}

/** What rank 0 did in a step, and how much of the communication that hid. */
export function communicationBars(runs: readonly RunRecord[]): Maker[] {
  const known = runs.filter(({ steps }) => steps.length > 0);
  if (known.length === 0) return [];
  const times = known.map((run) => {
    const step = settled(run.steps, ({ stepTimeS }) => stepTimeS);
    const exposed = settled(run.steps, ({ exposedS }) => exposedS);
    const data = settled(run.steps, ({ dataWaitS }) => dataWaitS);
    const hidden = settled(run.steps, ({ hiddenS }) => hiddenS);
    // A mean over a median: a single long wait can exceed the step.
    const rest = step === null ? null : Math.max(0, step - (exposed ?? 0) - (data ?? 0));
    return { label: run.name, rest, exposed, data, hidden };
  });
  return [
    (width) =>
      stackedBars({
        title: 'Computing and waiting of rank 0',
        width,
        axis: 'time per step',
        unit: 's',
        parts: ['computing', 'waiting for other ranks (exposed)', 'waiting for data'],
        bars: times.map(({ label, rest, exposed, data }) => ({
          label,
          values: [rest, exposed, data],
        })),
      }),
    (width) =>
      stackedBars({
        title: 'Communication of rank 0: hidden behind computing, and exposed',
        width,
        axis: 'time per step',
        unit: 's',
        parts: ['hidden', 'exposed'],
        bars: times.map(({ label, exposed, hidden }) => ({ label, values: [hidden, exposed] })),
      }),
  ];
}

/** Bytes of tensors of rank 0, computed from the run's sizes. */
export function memoryBars(runs: readonly RunRecord[]): Maker[] {
  const bars = runs.map((run): Bar => {
    const { settings, specification, loss } = run.config;
    const columns = settings.batch / settings.accumulate;
    const { ranks, optimizer } = settings;
    // Runs of earlier versions have no such setting.
    const average = (settings.ema ?? null) !== null;
    const bytes = rankMemory(
      { specification, ranks, columns, loss, optimizer, average, inputGradient: false },
      0,
    );
    const values = [
      bytes.parameterBytes,
      bytes.gradientBytes,
      bytes.optimizerBytes + bytes.averageBytes,
      bytes.activationBytes,
      bytes.bufferBytes,
    ];
    return { label: run.name, values, modelled: true };
  });
  return [
    (width) =>
      stackedBars({
        title: 'Memory of rank 0, computed from sizes',
        width,
        axis: 'memory',
        unit: 'B',
        parts: ['parameters', 'gradients', 'optimizer and average', 'activations', 'buffers'],
        bars,
      }),
  ];
}
