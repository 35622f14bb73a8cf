import os from 'node:os';
import { findLauncher } from '../communicators/mpi/launcher.js';
import { describeOverlap } from '../training/overlap.js';
import type { EndEvent, StartEvent, StepEvent, TrainingEvent } from '../training/events.js';
import type { Console } from './console.js';
import { energyPairs, energyText } from './energy-text.js';
import {
  formatCount,
  formatDuration,
  formatLoss,
  formatPercent,
  formatSi,
} from '../base/format.js';
import { fitLine, visibleWidth } from './table.js';

/** Log lines of a run in a pipe, about; validations and checkpoints come on top. */
const LOG_LINES = 50;
/** Updates of the live line, at most. */
const LIVE_INTERVAL_MS = 80;
const BAR_CELLS = 12;

/** What a run tells, as lines for people. */
export interface Progress {
  onEvent(event: TrainingEvent): void;
  /** Removes the live line. */
  close(): void;
}

/**
 * A live line on a terminal; where nobody watches, a line for every so many logged steps.
 *
 * @param label stands before each line, where several runs follow one another
 * @param header lines for the start of the run
 */
export function createProgress(
  console: Console,
  options: {
    readonly logEvery: number;
    readonly label?: string;
    readonly header: (start: StartEvent) => readonly string[];
  },
): Progress {
  const prefix = options.label === undefined ? '' : `${options.label}  `;
  let start: StartEvent | null = null;
  let stride = 1;
  let logged = 0;
  let drawnMs = Number.NEGATIVE_INFINITY;

  const say = (text: string) => console.out(`${prefix}${text}`);
  const onStep = (event: StepEvent) => {
    if (start === null) return;
    if (console.watched) {
      const nowMs = performance.now();
      if (nowMs - drawnMs < LIVE_INTERVAL_MS && event.step < start.steps) return;
      drawnMs = nowMs;
      console.live(liveLine(event, start, console.columns, prefix));
    }
    if (console.interactive) return;
    if (logged++ % stride === 0 || event.step === start.steps) say(logLine(event, start));
  };
  return {
    onEvent(event) {
      if (event.type === 'start') {
        start = event;
        stride = strideOf(event.steps - event.firstStep, options.logEvery);
        for (const line of options.header(event)) console.out(line);
      } else if (event.type === 'step') onStep(event);
      else if (event.type === 'validation') {
        const accuracy =
          event.accuracy === null ? '' : `  accuracy ${formatPercent(event.accuracy)}`;
        const rows = `on ${formatCount(event.rows)} rows`;
        say(
          `step ${stepText(event.step, start)}  validation loss ${formatLoss(event.loss)}${accuracy}  ${rows}`,
        );
      } else if (event.type === 'checkpoint') {
        if (event.step > 0)
          say(console.style('dim', `step ${event.step}  checkpoint ${event.folder}`));
      } else if (event.type === 'warning') {
        console.err(console.style('yellow', `warning: ${event.message}`));
      } else console.live('');
    },
    close: () => console.live(''),
  };
}

/** Every how many logged steps a line is written, so that a run has `LOG_LINES` or so. */
export function strideOf(steps: number, logEvery: number): number {
  return Math.max(1, Math.ceil(steps / logEvery / LOG_LINES));
}

/**
 * `━━━━────── 120/500 · loss 0.4321 · accuracy 87.5% · 12.3 s left · …`: as many readings as the
 * columns hold, the more telling first.
 */
export function liveLine(
  event: StepEvent,
  start: Pick<StartEvent, 'steps' | 'energyObtained'>,
  columns: number,
  prefix = '',
): string {
  const { steps } = start;
  const full = Math.round((BAR_CELLS * event.step) / steps);
  const bar = '━'.repeat(full) + '─'.repeat(BAR_CELLS - full);
  const { loss, accuracy, stepTime, samples, waiting, energy } = readings(event, start);
  let line = `${prefix}${bar} ${event.step}/${steps}`;
  for (const reading of [
    loss,
    ...accuracy,
    leftText(event),
    samples,
    ...energy,
    waiting,
    stepTime,
  ]) {
    if (visibleWidth(`${line} · ${reading}`) > columns) break;
    line += ` · ${reading}`;
  }
  return fitLine(line, columns);
}

/** The same without the bar, a line of a log. */
export function logLine(
  event: StepEvent,
  start: Pick<StartEvent, 'steps' | 'energyObtained'>,
): string {
  const { loss, accuracy, stepTime, samples, waiting, energy } = readings(event, start);
  const text = `step ${stepText(event.step, start)}`;
  return [text, loss, ...accuracy, stepTime, samples, waiting, ...energy, leftText(event)].join(
    '  ',
  );
}

function readings(event: StepEvent, start: Pick<StartEvent, 'energyObtained'>) {
  // A mean over a median: a single long wait can exceed the step.
  const exposed = event.stepTimeS > 0 ? Math.min(1, event.exposedS / event.stepTimeS) : 0;
  const { hiddenShare } = event;
  const hidden = hiddenShare === null ? '' : ` (${formatPercent(hiddenShare, 0)} hidden)`;
  return {
    loss: `loss ${formatLoss(event.loss)}`,
    accuracy: event.accuracy === null ? [] : [`accuracy ${formatPercent(event.accuracy, 1)}`],
    stepTime: `${formatDuration(event.stepTimeS)}/step`,
    samples: `${formatSi(event.samplesPerS)} samples/s`,
    energy: event.energyJ === null ? [] : [energyText(event.energyJ, start.energyObtained)],
    waiting: `waiting for ranks ${formatPercent(exposed, 0)}${hidden}`,
  };
}

function leftText({ remainingS }: StepEvent): string {
  return `${formatDuration(remainingS)} left`;
}

function stepText(step: number, start: Pick<StartEvent, 'steps'> | null): string {
  if (start === null) return String(step);
  return `${String(step).padStart(String(start.steps).length)}/${start.steps}`;
}

const result = (loss: number | null, accuracy: number | null) =>
  `loss ${formatLoss(loss)}${accuracy === null ? '' : `, accuracy ${formatPercent(accuracy)}`}`;

/** What a run came to, in lines of names and values. */
export function endPairs(end: EndEvent): [string, string][] {
  const pairs: [string, string][] = [];
  if (end.loss !== null) pairs.push(['last batch', result(end.loss, end.accuracy)]);
  if (end.validationLoss !== null) {
    pairs.push(['validation', result(end.validationLoss, end.validationAccuracy)]);
  }
  if (end.medianStepTimeS !== null && end.samplesPerS !== null) {
    const rate = `${formatSi(end.samplesPerS)} samples/s`;
    pairs.push(['median step', `${formatDuration(end.medianStepTimeS)}, ${rate}`]);
  }
  if (end.exposedShare !== null && end.ranks > 1) {
    // A launcher may bind each process to a core of its own.
    const launcher = findLauncher();
    const cores = launcher === null ? os.availableParallelism() : os.cpus().length;
    const ranks = launcher?.localSize ?? end.ranks;
    const text = describeOverlap(end.exposedShare, end.hiddenShare, ranks, cores);
    pairs.push(['communication', text]);
  }
  pairs.push(...energyPairs(end.energy));
  pairs.push(['run folder', end.runFolder], ['checkpoint', end.checkpoint]);
  return pairs;
}
