import type { TrainingSettings } from '../settings/settings.js';
import type { EndEvent, StartEvent } from '../training/events.js';
import {
  formatDuration,
  formatLoss,
  formatPercent,
  formatRatio,
  formatSi,
} from '../base/format.js';

/** A run that took part in a comparison. */
export interface ComparedRun {
  readonly settings: TrainingSettings;
  readonly start: StartEvent;
  readonly end: EndEvent;
}

type Reading = (contestant: ComparedRun) => number | null;

const unit = (name: string) => (value: number) => formatSi(value, name);

/** Rows of a table: name, baseline, other, other / baseline (points for a share). */
export function comparisonRows(baseline: ComparedRun, other: ComparedRun): string[][] {
  const row = (name: string, read: Reading, format: (value: number) => string): string[] => {
    const [a, b] = [read(baseline), read(other)];
    const text = (value: number | null) => (value === null ? '–' : format(value));
    return [name, text(a), text(b), a === null || b === null ? '–' : formatRatio(b / a)];
  };
  return [
    accuracyRow(baseline, other),
    row('validation loss', ({ end }) => end.validationLoss, formatLoss),
    row('learning rate', ({ settings }) => settings.lr, String),
    row('parameters', ({ start }) => start.parameters, unit('')),
    row('FLOPs per rank and step', ({ start }) => start.flopsPerStep, unit('FLOP')),
    row('sent per rank and step', ({ start }) => start.sentBytesPerStep, unit('B')),
    row('received per rank and step', ({ start }) => start.receivedBytesPerStep, unit('B')),
    row('step time, median', ({ end }) => end.medianStepTimeS, formatDuration),
    row('samples/s', ({ end }) => end.samplesPerS, unit('')),
    row(
      `energy of the run${modelled(baseline, other)}`,
      ({ end }) => end.energy.energyJ,
      unit('J'),
    ),
    row('time of the run', ({ end }) => end.elapsedS, formatDuration),
  ];
}

/** Modelled joules say so. */
function modelled(...contestants: readonly ComparedRun[]): string {
  return contestants.some(({ end }) => end.energy.obtained === 'modelled') ? ', modelled' : '';
}

function accuracyRow(baseline: ComparedRun, other: ComparedRun): string[] {
  const [a, b] = [baseline.end.validationAccuracy, other.end.validationAccuracy];
  const points = a === null || b === null ? null : 100 * (b - a);
  const change =
    points === null ? '–' : `${points < 0 ? '−' : '+'}${Math.abs(points).toFixed(2)} points`;
  return ['validation accuracy', formatPercent(a), formatPercent(b), change];
}
