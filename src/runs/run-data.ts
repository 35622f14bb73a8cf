import { rankMemory } from '../analysis/step-memory.js';
import { formatDuration, formatGhosts, formatSi, plural } from '../base/format.js';
import { median } from '../base/median.js';
import type { Obtained } from '../energy/meter.js';
import type { EndEvent } from '../training/events.js';
import { exchangesGhosts } from '../layers/strategies.js';
import { runGroup } from './run-group.js';
import type { LogLine, RunRecord, StepRecord } from './run-record.js';
import type { RecordedTimeline } from './recorded-timeline.js';
import { thin } from './thin.js';

/** How a run stands: what its end event says, or without one whether it goes on. */
export type RunState = EndEvent['reason'] | 'running' | 'dead' | 'unended';

/** What a run came to, as terminal, tables, pages and JSON say it; unknown is null. */
export interface RunFigures {
  readonly parameters: number | null;
  readonly ranks: number | null;
  readonly replicas: number | null;
  readonly step: number;
  readonly steps: number | null;
  readonly loss: number | null;
  readonly validationLoss: number | null;
  readonly accuracy: number | null;
  /** The median of steady steps. */
  readonly stepTimeS: number | null;
  readonly samplesPerS: number | null;
  /** Of one rank in a step. */
  readonly flopsPerStep: number | null;
  readonly receivedBytesPerStep: number | null;
  readonly energyJ: number | null;
  /** Of steady steps: one of them, a sample in it, and of all that is no steady step. */
  readonly perStepJ: number | null;
  readonly perSampleJ: number | null;
  readonly restJ: number | null;
  readonly obtained: Obtained;
  readonly elapsedS: number;
}

/** A run as pages take it: plain data, bounded however long the run. */
export interface RunData {
  readonly name: string;
  readonly folder: string;
  readonly state: RunState;
  /** Data, targets and loss: runs of different ones have no common axis. */
  readonly group: string;
  readonly created: string;
  readonly network: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly figures: RunFigures;
  /** Logged steps, thinned; columns by name. */
  readonly steps: Readonly<Record<keyof StepRecord, readonly (number | null)[]>>;
  /** Validations: step, loss, accuracy and the task's metrics by name, with time and joules. */
  readonly validations: Readonly<Record<string, readonly (number | null)[]>>;
  /** A steady step: mean over ranks, by phase. */
  readonly phases: readonly {
    readonly name: string;
    readonly timeS: number;
    readonly energyJ: number | null;
  }[];
  /** A steady step by rank, in the order of `PHASES`, seconds. */
  readonly rankTimesS: readonly (readonly number[])[];
  /** What every rank waited in the newest logged step, seconds. */
  readonly rankWaitingS: readonly number[];
  /** What ranks did in one step, the newest that was recorded; null: in none. */
  readonly timeline: RecordedTimeline | null;
  /** Of rank 0 in a steady step, seconds; null: not logged. */
  readonly communication: {
    readonly hiddenS: number | null;
    readonly exposedS: number | null;
    readonly dataS: number | null;
  };
  /** Of tensors of rank 0, computed from sizes, bytes. */
  readonly memory: readonly (readonly [name: string, bytes: number])[];
  readonly facts: readonly (readonly [name: string, value: string])[];
  /** What has to be known of it: what was skipped, warned of, or is missing. */
  readonly notes: readonly string[];
  readonly log: readonly LogLine[];
}

/** About the points that a curve has pixels for. */
const MOST_STEPS = 480;
const WARM_UP_STEPS = 10;
const COLUMNS = [
  ...(['step', 'loss', 'accuracy', 'learningRate', 'gradientNorm', 'elapsedS'] as const),
  ...(['stepTimeS', 'samplesPerS', 'exposedS', 'hiddenS', 'dataWaitS', 'energyJ'] as const),
  ...(['lagS', 'slowestRank'] as const),
];

/** Of very many the extremes of the loss, and those of the lag: one step late is what it is for. */
function keptSteps(steps: readonly StepRecord[]): readonly StepRecord[] {
  const losses = steps.map((step) => ({ y: step.loss, step }));
  const lags = steps.flatMap((step) => (step.lagS === null ? [] : [{ y: step.lagS, step }]));
  const kept = new Set(
    [...thin(losses, MOST_STEPS), ...thin(lags, MOST_STEPS)].map(({ step }) => step),
  );
  return steps.filter((step) => kept.has(step));
}

/** A run as pages take it. */
export function runData(run: RunRecord, state: RunState): RunData {
  const { config, end, energy, folder, name } = run;
  const { settings } = config;
  const kept = keptSteps(run.steps);
  const steps = Object.fromEntries(
    COLUMNS.map((column) => [column, kept.map((step) => short(step[column]))]),
  ) as Record<keyof StepRecord, (number | null)[]>;
  const steady = end !== null && end.steadySteps > 0 ? end.steadySteps : null;
  const phases = steady === null ? [] : (energy?.phases ?? []);
  const over = (value: number | null) => (value === null ? null : value / (steady ?? 1));
  return {
    name,
    folder,
    state,
    group: runGroup(config),
    created: config.created,
    network: networkText(run),
    settings: Object.fromEntries(
      Object.entries(settings).flatMap(([key, value]) =>
        value === null ? [] : [[key, String(value)]],
      ),
    ),
    figures: figuresOf(run),
    steps,
    validations: validationColumns(run),
    phases: phases.map(({ name: phase, timeS, energyJ }) => ({
      name: phase,
      timeS: over(timeS) ?? 0,
      energyJ: over(energyJ),
    })),
    rankTimesS:
      steady === null
        ? []
        : (energy?.rankTimesS ?? []).map((times) => times.map((timeS) => timeS / steady)),
    rankWaitingS: run.rankWaitingS,
    timeline: run.timeline,
    communication: {
      hiddenS: steadyMean(run, ({ hiddenS }) => hiddenS),
      exposedS: steadyMean(run, ({ exposedS }) => exposedS),
      dataS: steadyMean(run, ({ dataWaitS }) => dataWaitS),
    },
    memory: memoryOf(run),
    facts: factsOf(run),
    notes: [...run.problems, ...run.warnings],
    log: run.log,
  };
}

/** What a run came to; of one that goes on, so far. */
export function figuresOf(run: RunRecord): RunFigures {
  const { start, end, energy, obtained } = run;
  const last = run.steps.at(-1);
  const validation = run.validations.at(-1);
  return {
    parameters: start?.parameters ?? null,
    ranks: start?.ranks ?? null,
    replicas: start?.replicas ?? null,
    step: end?.step ?? last?.step ?? 0,
    steps: start?.steps ?? null,
    loss: end?.loss ?? last?.loss ?? null,
    validationLoss: end?.validationLoss ?? validation?.loss ?? null,
    accuracy: end?.validationAccuracy ?? validation?.accuracy ?? null,
    stepTimeS: end === null ? steadyMedian(run, (step) => step.stepTimeS) : end.medianStepTimeS,
    samplesPerS: end === null ? steadyMedian(run, (step) => step.samplesPerS) : end.samplesPerS,
    flopsPerStep: start?.flopsPerStep ?? null,
    receivedBytesPerStep: start?.receivedBytesPerStep ?? null,
    energyJ: energy === null ? (last?.energyJ ?? null) : energy.energyJ,
    perStepJ: energy?.perStepJ ?? null,
    perSampleJ: energy?.perSampleJ ?? null,
    restJ: energy?.restJ ?? null,
    obtained: energy?.obtained ?? obtained,
    elapsedS: last?.elapsedS ?? end?.elapsedS ?? 0,
  };
}

/** Six digits: a page's curves need no more. */
function short(value: number | null): number | null {
  return value === null ? null : Number(value.toPrecision(6));
}

function steadySteps(run: RunRecord): readonly StepRecord[] {
  const first = (run.start?.firstStep ?? 0) + WARM_UP_STEPS;
  const later = run.steps.filter(({ step }) => step > first);
  return later.length === 0 ? run.steps.slice(-1) : later;
}

function steadyMean(run: RunRecord, read: (step: StepRecord) => number | null): number | null {
  const known = steadySteps(run)
    .map(read)
    .filter((value) => value !== null);
  if (known.length === 0) return null;
  return known.reduce((sum, value) => sum + value, 0) / known.length;
}

function steadyMedian(run: RunRecord, read: (step: StepRecord) => number | null): number | null {
  return median(
    steadySteps(run)
      .map(read)
      .filter((value) => value !== null),
  );
}

function validationColumns({ steps, validations }: RunRecord): RunData['validations'] {
  const names = [...new Set(validations.flatMap(({ metrics }) => Object.keys(metrics)))];
  const at = new Map(steps.map((step) => [step.step, step]));
  const column = (read: (one: RunRecord['validations'][number]) => number | null | undefined) =>
    validations.map((one) => short(read(one) ?? null));
  return {
    ...Object.fromEntries(names.map((name) => [name, column(({ metrics }) => metrics[name])])),
    step: column(({ step }) => step),
    loss: column(({ loss }) => loss),
    accuracy: column(({ accuracy }) => accuracy),
    // A validation stands at the time and energy of its own step, where that was logged.
    elapsedS: column(({ step }) => at.get(step)?.elapsedS),
    energyJ: column(({ step }) => at.get(step)?.energyJ),
  };
}

function memoryOf({ config }: RunRecord): RunData['memory'] {
  const { settings, specification, loss } = config;
  const { ranks, optimizer, batch, accumulate } = settings;
  const columns = batch / accumulate;
  // Runs of earlier versions have no such setting.
  const average = (settings.ema ?? null) !== null;
  const bytes = rankMemory(
    { specification, ranks, columns, loss, optimizer, average, inputGradient: false },
    0,
  );
  return [
    ['parameters', bytes.parameterBytes],
    ['gradients', bytes.gradientBytes],
    ['optimizer and average', bytes.optimizerBytes + bytes.averageBytes],
    ['activations', bytes.activationBytes],
    ['buffers', bytes.bufferBytes],
  ];
}

function networkText({ config }: RunRecord): string {
  const { strategy, width, depth, blocks } = config.settings;
  const { ghostActivation } = config.specification;
  const applied = ghostActivation === undefined ? '' : ` with ${ghostActivation}`;
  const ghosts = exchangesGhosts(strategy) ? `, K ${formatGhosts(config.settings)}${applied}` : '';
  return `${strategy}, N ${width}, L ${depth}, P ${blocks}${ghosts}`;
}

function factsOf(run: RunRecord): [string, string][] {
  const { config, start, end, energy, folder } = run;
  const { machine, versions, data } = config;
  const versionsText = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const facts: [string, string][] = [
    ['folder', folder],
    ['started', config.created],
    ['network', networkText(run)],
    ['data', `${data.name}, ${plural(data.validationRows, 'row')} for validation`],
    ['engine', start === null ? 'unknown' : `${start.engine}: ${start.engineDescription}`],
    ['ranks', start === null ? 'unknown' : start.communicator],
    ['machine', Object.values(machine).join(', ')],
    ['versions', versionsText.join(', ')],
    ['energy', energyText(run)],
  ];
  if (energy?.factors && energy.emissionsG !== null) {
    facts.push(['emissions', `${formatSi(energy.emissionsG, 'g')} CO₂e (${energy.factors})`]);
  }
  if (end !== null) facts.push(['run time', formatDuration(end.elapsedS)]);
  return facts;
}

function energyText({ energy }: RunRecord): string {
  if (energy === null || energy.energyJ === null) return 'not measured';
  const { energyJ, gpuJ, obtained, description, meanPowerW, restJ, perRankJ } = energy;
  const gpus = gpuJ === null ? '' : `, ${formatSi(gpuJ, 'J')} of it by GPUs`;
  const power = meanPowerW === null ? '' : `, ${formatSi(meanPowerW, 'W')} on average`;
  const rest =
    restJ === null ? '' : `, ${formatSi(restJ, 'J')} of it start-up, validation and checkpoints`;
  const ranks = perRankJ.map((joules) => (joules === null ? 'unknown' : formatSi(joules, 'J')));
  const shared = ranks.length < 2 ? '' : `; by rank ${ranks.join(', ')}`;
  return `${formatSi(energyJ, 'J')}, ${obtained}${gpus}${power}${rest}${shared}: ${description}`;
}
