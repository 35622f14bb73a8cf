import type { Obtained } from '../energy/meter.js';
import { formatLoss, plural } from '../base/format.js';
import { END_REASONS, type EndEvent, type StartEvent } from '../training/events.js';
import type { RunConfig } from '../checkpoints/run-folder.js';
import { readTimeline, type RecordedTimeline } from './recorded-timeline.js';
import { quantity, readEnergy, readObtained, type RecordedEnergy } from './recorded-energy.js';

/** A logged step; times and joules since the run's first start. Unknown is null. */
export interface StepRecord {
  readonly step: number;
  readonly loss: number;
  readonly accuracy: number | null;
  readonly learningRate: number | null;
  readonly gradientNorm: number | null;
  readonly elapsedS: number;
  readonly stepTimeS: number | null;
  readonly samplesPerS: number | null;
  readonly exposedS: number | null;
  /** Time that communication was under way beside the rank's own work, a step. */
  readonly hiddenS: number | null;
  readonly dataWaitS: number | null;
  readonly energyJ: number | null;
  /** How much longer another rank waited for it than the rank that waited least, which is the
   * slowest one. */
  readonly lagS: number | null;
  readonly slowestRank: number | null;
}

/** A line of a run's log. */
export interface LogLine {
  /** Of the last logged step before it. */
  readonly step: number;
  readonly elapsedS: number;
  readonly kind: 'note' | 'warning';
  readonly text: string;
}

export interface ValidationRecord {
  readonly step: number;
  readonly loss: number;
  readonly accuracy: number | null;
  /** By name, in the target's own units. */
  readonly metrics: Readonly<Record<string, number | null>>;
}

/** A run as recorded in its folder. */
export interface RunRecord {
  readonly folder: string;
  readonly name: string;
  readonly config: RunConfig;
  /** Of the newest start. */
  readonly start: StartEvent | null;
  readonly startTimeS: number | null;
  readonly steps: readonly StepRecord[];
  readonly validations: readonly ValidationRecord[];
  /** null: the run goes on, or was ended from outside. */
  readonly end: EndEvent | null;
  readonly energy: RecordedEnergy | null;
  /** How the joules of steps were obtained; without that they are left out. */
  readonly obtained: Obtained;
  /** What every rank waited in the newest logged step, seconds; empty where it is not logged. */
  readonly rankWaitingS: readonly number[];
  /** null: none is recorded. */
  readonly timeline: RecordedTimeline | null;
  /** What the run itself warned of. */
  readonly warnings: readonly string[];
  /** The newest lines: starts, checkpoints, best validations, warnings, the end. */
  readonly log: readonly LogLine[];
  /** What was skipped, and what a reader has to know. */
  readonly problems: readonly string[];
}

const MOST_WARNINGS = 50;
const MOST_LINES = 100;
const MOST_RANKS = 4096;
const MOST_TEXT = 2000;
const MOST_METRICS = 24;

/** What a start event says in words. */
const START_TEXTS = 'strategy engine engineDescription communicator meter meterDescription';
/** What an end event has numbers for, or null. */
const END_NUMBERS =
  'loss accuracy validationLoss validationAccuracy medianStepTimeS samplesPerS ranks ' +
  'exposedShare hiddenShare elapsedS';

/** Takes events line by line; what is not one is skipped, with a note. */
export class EventReader {
  start: StartEvent | null = null;
  startTimeS: number | null = null;
  starts = 0;
  readonly steps: StepRecord[] = [];
  readonly validations: ValidationRecord[] = [];
  end: EndEvent | null = null;
  readonly problems: string[] = [];
  readonly warnings: string[] = [];
  readonly log: LogLine[] = [];
  rankWaitingS: readonly number[] = [];
  timeline: RecordedTimeline | null = null;
  obtained: Obtained = 'unavailable';
  #offsetS = 0;
  /** null: a part of the run was not metered, so the sum is not known. */
  #offsetJ: number | null = 0;

  read(line: string, number: number): void {
    const leaveOut = (why: string) => {
      if (this.problems.length < 8)
        this.problems.push(`metrics.jsonl line ${number} ${why}; skipped`);
    };
    let event: Readonly<Record<string, unknown>>;
    try {
      const parsed: unknown = JSON.parse(line);
      if (typeof parsed !== 'object' || parsed === null) return leaveOut('is not an event');
      event = parsed as Readonly<Record<string, unknown>>;
    } catch {
      return leaveOut('is not JSON');
    }
    const type = event['type'];
    if (type === 'start') this.#onStart(event, leaveOut);
    else if (type === 'step') this.#onStep(event, leaveOut);
    else if (type === 'validation') this.#onValidation(event, leaveOut);
    else if (type === 'end') this.#onEnd(event, leaveOut);
    else if (type === 'warning') {
      const text = String(event['message']);
      if (this.warnings.length < MOST_WARNINGS) this.warnings.push(text);
      this.#log('warning', text);
    } else if (type === 'checkpoint') this.#log('note', 'checkpoint');
    else leaveOut('has an unknown type');
  }

  #log(kind: LogLine['kind'], text: string): void {
    const { step = 0, elapsedS = 0 } = this.steps.at(-1) ?? {};
    this.log.push({ step, elapsedS, kind, text: text.slice(0, MOST_TEXT) });
    if (this.log.length <= MOST_LINES) return;
    // Notes come by the dozen, warnings do not.
    const oldest = this.log.findIndex((line) => line.kind === 'note');
    this.log.splice(Math.max(0, oldest), 1);
  }

  /** What has been read so far. @param tail what follows the last whole line */
  record(folder: string, name: string, config: RunConfig, tail: string): RunRecord {
    const { start, startTimeS, steps, validations, end, obtained, warnings } = this;
    const { log, rankWaitingS, timeline } = this;
    const problems = [...this.problems];
    if (tail !== '') {
      problems.push('metrics.jsonl ends in the middle of a line, which was skipped');
    }
    if (start === null) problems.push('no start event: sizes and counts are unknown');
    if (end === null) problems.push('no end event: the run is still going, or was killed');
    else if (end.reason === 'diverged') {
      problems.push(`diverged after ${plural(end.step, 'step')}`);
    } else if (end.reason === 'interrupted') {
      problems.push(`interrupted after ${plural(end.step, 'step')}`);
    }
    if (this.starts > 1) {
      problems.push(
        `resumed ${plural(this.starts - 1, 'time')}: time and energy are sums over its parts as far as they ` +
          'were logged; mean power and phases are those of the last part',
      );
    }
    const energy = end === null ? null : readEnergy(end.energy);
    return {
      folder,
      name,
      config,
      start,
      startTimeS,
      steps,
      validations,
      end,
      energy,
      obtained,
      rankWaitingS,
      timeline,
      warnings,
      log,
      problems,
    };
  }

  #onStart(event: Readonly<Record<string, unknown>>, leaveOut: (why: string) => void): void {
    const counts = [
      'ranks',
      'replicas',
      'parameters',
      'steps',
      'flopsPerStep',
      'sentBytesPerStep',
      'receivedBytesPerStep',
      'memoryBytes',
    ];
    const wrong = counts.find((name) => quantity(event[name]) === null);
    if (wrong !== undefined) return leaveOut(`has ${wrong} ${String(event[wrong])}`);
    const last = this.steps.at(-1);
    this.#offsetS = last?.elapsedS ?? 0;
    this.#offsetJ = last === undefined ? 0 : last.energyJ;
    const time = Date.parse(String(event['time'])) / 1000;
    if (this.startTimeS === null && Number.isFinite(time)) this.startTimeS = time;
    this.obtained = readObtained(event['energyObtained']) ?? 'unavailable';
    const texts = START_TEXTS.split(' ').map((name) => {
      const value = event[name];
      return [name, typeof value === 'string' ? value : 'unknown'];
    });
    this.start = { ...event, ...Object.fromEntries(texts) } as unknown as StartEvent;
    this.end = null;
    this.starts++;
    const { communicator, firstStep } = this.start;
    const { host, pid } = event;
    const process = typeof host === 'string' ? `; process ${String(pid)} on ${host}` : '';
    const where = communicator + process;
    this.#log('note', this.starts > 1 ? `goes on from step ${firstStep}: ${where}` : where);
    const notes: unknown = event['notes'];
    if (Array.isArray(notes)) for (const note of notes) this.#log('note', String(note));
  }

  #onStep(event: Readonly<Record<string, unknown>>, leaveOut: (why: string) => void): void {
    const of = (name: string) => quantity(event[name]);
    const [step, loss, elapsedS] = [of('step'), finite(event['loss']), of('elapsedS')];
    if (step === null || loss === null || elapsedS === null) {
      return leaveOut('is a step without number, loss or time');
    }
    const last = this.steps.at(-1);
    if (last !== undefined && step <= last.step) return leaveOut(`goes back to step ${step}`);
    const total = this.#offsetS + elapsedS;
    const energyJ = this.obtained === 'unavailable' ? null : of('energyJ');
    if (last !== undefined && total < last.elapsedS) return leaveOut('goes back in time');
    const joules = energyJ === null || this.#offsetJ === null ? null : this.#offsetJ + energyJ;
    if (joules !== null && last?.energyJ && joules < last.energyJ) {
      return leaveOut('has less energy than the step before');
    }
    const waits = waitsOf(event['rankWaitingS']);
    if (waits.length > 0) this.rankWaitingS = waits;
    this.timeline = readTimeline(step, event['timeline']) ?? this.timeline;
    const least = Math.min(...waits);
    this.steps.push({
      step,
      loss,
      accuracy: of('accuracy'),
      learningRate: of('learningRate'),
      gradientNorm: of('gradientNorm'),
      elapsedS: total,
      stepTimeS: of('stepTimeS'),
      samplesPerS: of('samplesPerS'),
      exposedS: of('exposedS'),
      hiddenS: hidden(event['collectives']),
      dataWaitS: of('dataWaitS'),
      energyJ: joules,
      lagS: waits.length < 2 ? null : Math.max(...waits) - least,
      slowestRank: waits.length < 2 ? null : waits.indexOf(least),
    });
  }

  #onValidation(event: Readonly<Record<string, unknown>>, leaveOut: (why: string) => void): void {
    const [step, loss] = [quantity(event['step']), finite(event['loss'])];
    if (step === null || loss === null) return leaveOut('is a validation without step or loss');
    const accuracy = quantity(event['accuracy']);
    this.validations.push({ step, loss, accuracy, metrics: metricsOf(event['metrics']) });
    if (event['best'] === true) this.#log('note', `best validation so far: ${formatLoss(loss)}`);
  }

  #onEnd(event: Readonly<Record<string, unknown>>, leaveOut: (why: string) => void): void {
    const isKnown = END_REASONS.some((reason) => reason === event['reason']);
    if (quantity(event['step']) === null || !isKnown) {
      return leaveOut('is an end without step or reason');
    }
    const numbers = END_NUMBERS.split(' ').map((name) => [name, finite(event[name])]);
    this.end = { ...event, ...Object.fromEntries(numbers) } as unknown as EndEvent;
    const { reason, step, resumeCommand } = this.end;
    const next = typeof resumeCommand === 'string' ? `; ${resumeCommand}` : '';
    this.#log('note', `ended after ${plural(step, 'step')}: ${reason}${next}`);
  }
}

function metricsOf(value: unknown): ValidationRecord['metrics'] {
  if (typeof value !== 'object' || value === null) return {};
  const metrics = Object.entries(value).slice(0, MOST_METRICS);
  return Object.fromEntries(metrics.map(([name, each]) => [name, finite(each)]));
}

/** What ranks waited; empty where it is not known of each. */
function waitsOf(value: unknown): number[] {
  if (!Array.isArray(value) || value.length > MOST_RANKS) return [];
  const waits = value.map(quantity).filter((timeS) => timeS !== null);
  return waits.length === value.length ? waits : [];
}

function finite(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

/** Sums what collectives were under way; the agreement on loss and stopping is not the network's. */
function hidden(collectives: unknown): number | null {
  if (typeof collectives !== 'object' || collectives === null) return null;
  const times = Object.entries(collectives as Record<string, { postedS?: unknown } | null>)
    .filter(([name]) => name !== 'agreement')
    .map(([, time]) => quantity(time?.postedS));
  return times.includes(null) ? null : times.reduce<number>((sum, time) => sum + (time ?? 0), 0);
}
