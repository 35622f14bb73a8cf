import os from 'node:os';
import { bestText } from '../checkpoints/training-progress.js';
import type { Launcher } from '../communicators/launcher.js';
import { describeOverlap } from '../training/overlap.js';
import type {
  EndEvent,
  StartEvent,
  StepEvent,
  TrainingEvent,
  ValidationEvent,
} from '../training/events.js';
import type { Console } from './console.js';
import { energyDetails, energyPair, energyText } from './energy-text.js';
import {
  formatDigits,
  formatDuration,
  formatLoss,
  formatPercent,
  formatSi,
  plural,
} from '../base/format.js';
import { mainMetrics } from './metrics-text.js';
import { Course } from './sparkline.js';
import { fitLine, visibleWidth } from './table.js';

/** Updates of the live line, at most. */
const LIVE_INTERVAL_MS = 80;
const BAR_CELLS = 12;

/** Shows a run's events to people. */
export interface Progress {
  onEvent(event: TrainingEvent): void;
  /** Removes the live line. */
  close(): void;
}

/**
 * A live line on a terminal; in a pipe or a file a short line for each logged step.
 *
 * @param label stands before each line, where several runs follow one another
 * @param verbose checkpoints and all readings too
 * @param header lines for the start of the run
 */
export function createProgress(
  console: Console,
  options: {
    readonly label?: string;
    readonly verbose?: boolean;
    readonly header: (start: StartEvent) => readonly string[];
  },
): Progress {
  const { verbose = false } = options;
  const prefix = options.label === undefined ? '' : `${options.label}  `;
  let start: StartEvent | null = null;
  let drawnMs = Number.NEGATIVE_INFINITY;
  const losses = new Course();

  let said = false;

  const say = (text: string) => {
    said = true;
    console.out(`${prefix}${text}`);
  };
  const onStep = (event: StepEvent) => {
    if (start === null) return;
    losses.add(event.loss);
    if (console.watched) {
      const nowMs = performance.now();
      if (nowMs - drawnMs < LIVE_INTERVAL_MS && event.step < start.steps) return;
      drawnMs = nowMs;
      console.live(liveLine(event, start, console.columns, { prefix, curve: losses.line }));
    }
    if (!console.interactive) say(logLine(event, start, verbose));
  };
  const onValidation = (event: ValidationEvent) => {
    const { step, loss, accuracy, metrics, rows, rateFactor } = event;
    const share = accuracy === null ? '' : `  accuracy ${formatPercent(accuracy)}`;
    const main = mainMetrics(metrics).map((text) => `  ${text}`);
    const fallen = rateFactor === 1 ? '' : `  learning rate × ${formatDigits(rateFactor)}`;
    const on = verbose ? `  on ${plural(rows, 'row')}` : '';
    say(
      `step ${stepText(step, start)}  validation loss ${formatLoss(loss)}${share}${main.join('')}${fallen}${on}`,
    );
  };
  return {
    onEvent(event) {
      if (event.type === 'start') {
        start = event;
        for (const line of options.header(event)) console.out(line);
      } else if (event.type === 'step') onStep(event);
      else if (event.type === 'validation') {
        // The summary has the last one.
        if (event.step !== start?.steps || !console.interactive || verbose) onValidation(event);
      } else if (event.type === 'checkpoint') {
        if (verbose) {
          const text = `step ${stepText(event.step, start)}  checkpoint ${event.folder}`;
          say(console.style('dim', text));
        }
      } else if (event.type === 'warning') {
        console.err(console.style('yellow', `warning: ${event.message}`));
      } else {
        console.live('');
        if (said) console.out('');
      }
    },
    close: () => console.live(''),
  };
}

/**
 * `━━━━────── 120/500 · loss 0.4321 · accuracy 87.5% · 12.3 s left · …`: as many readings as the
 * columns hold, the more telling first; last the loss so far as a curve.
 */
export function liveLine(
  event: StepEvent,
  start: Pick<StartEvent, 'steps' | 'energyObtained'>,
  columns: number,
  { prefix = '', curve = '' }: { readonly prefix?: string; readonly curve?: string } = {},
): string {
  const { steps } = start;
  const full = Math.round((BAR_CELLS * event.step) / steps);
  const bar = '━'.repeat(full) + '─'.repeat(BAR_CELLS - full);
  const { loss, stepTime, samples, energy, waiting } = readings(event, start);
  let line = `${prefix}${bar} ${event.step}/${steps}`;
  const all = [...loss, leftText(event), samples, ...energy, waiting, stepTime, curve];
  for (const reading of all) {
    if (reading === '') continue;
    if (visibleWidth(`${line} · ${reading}`) > columns) break;
    line += ` · ${reading}`;
  }
  return fitLine(line, columns);
}

/** A line of a log: loss, step time and what is left; all readings where they are wanted. */
export function logLine(
  event: StepEvent,
  start: Pick<StartEvent, 'steps' | 'energyObtained'>,
  verbose = false,
): string {
  const { loss, stepTime, samples, energy, waiting } = readings(event, start);
  const more = verbose ? [samples, waiting, ...energy] : [];
  const step = `step ${stepText(event.step, start)}`;
  const left = event.step === start.steps ? [] : [leftText(event)];
  return [step, ...loss, stepTime, ...more, ...left].join('  ');
}

function readings(event: StepEvent, start: Pick<StartEvent, 'energyObtained'>) {
  // A mean over a median: a single long wait can exceed the step.
  const exposed = event.stepTimeS > 0 ? Math.min(1, event.exposedS / event.stepTimeS) : 0;
  const accuracy = event.accuracy === null ? [] : [`accuracy ${formatPercent(event.accuracy, 1)}`];
  return {
    loss: [`loss ${formatLoss(event.loss)}`, ...accuracy],
    stepTime: `${formatDuration(event.stepTimeS)} per step`,
    samples: `${formatSi(event.samplesPerS)} samples/s`,
    energy: event.energyJ === null ? [] : [energyText(event.energyJ, start.energyObtained)],
    waiting: `waiting ${formatPercent(exposed, 0)}`,
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

/** What a run came to: four lines of names and values, or all that is known. */
export function endPairs(
  end: EndEvent,
  verbose = false,
  launcher: Launcher | null = null,
): [string, string][] {
  const pairs: [string, string][] = [];
  const { loss, validationLoss, medianStepTimeS, samplesPerS, exposedShare } = end;
  if (loss !== null && (verbose || validationLoss === null)) {
    pairs.push(['last batch', result(loss, end.accuracy)]);
  }
  if (validationLoss !== null) {
    const main = mainMetrics(end.validationMetrics?.values ?? {});
    const text = [result(validationLoss, end.validationAccuracy), ...main].join(', ');
    pairs.push(['validation', text]);
  }
  const waits = exposedShare !== null && end.ranks > 1;
  if (medianStepTimeS !== null && samplesPerS !== null) {
    const waiting = waits ? `, waiting ${formatPercent(Math.min(1, exposedShare), 0)}` : '';
    const time = `${formatDuration(medianStepTimeS)} per step`;
    pairs.push(['speed', `${time}, ${formatSi(samplesPerS)} samples/s${waiting}`]);
  }
  if (verbose && waits) {
    // A launcher may bind each process to a core of its own.
    const cores = launcher === null ? os.availableParallelism() : os.cpus().length;
    const ranks = launcher?.localSize ?? end.ranks;
    const text = describeOverlap(exposedShare, end.hiddenShare, ranks, cores);
    pairs.push(['communication', text]);
  }
  pairs.push(energyPair(end.energy, verbose ? ['step', 'sample'] : ['step']));
  if (verbose) pairs.push(...energyDetails(end.energy));
  const { best } = end;
  if (best !== null && (verbose || best.step !== end.step)) {
    pairs.push(['best', `step ${best.step}, ${bestText(best)}`]);
  }
  return [...pairs, ['checkpoint', end.checkpoint]];
}
