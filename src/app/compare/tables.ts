import {
  formatCount,
  formatDuration,
  formatLoss,
  formatPercent,
  formatRatio,
  formatSi,
  plural,
} from '../../base/format.js';
import type { TextTable } from '../../report/page-data.js';
import { costsTo, type Outcome, type Reading } from './outcome.js';
import { ratiosOf, type Spread, spreadOf } from './statistics.js';
import type { Entry, Findings } from './study.js';

export const COMMON = ['network', 'rate', 'parameters', 'FLOPs', 'received'] as const;

/** The tables of what has been found so far. */
export function tablesOf(findings: Findings): TextTable[] {
  const tables: TextTable[] = [];
  const { equalWidth, equalParameters, toTarget, target, missed, tried } = findings;
  const baseline = equalWidth?.find(({ contestant }) => contestant.strategy === 'tensor') ?? null;
  if (equalWidth) tables.push(fixedSteps('At the same width', equalWidth, baseline));
  if (equalParameters && equalParameters.length > 0) {
    const entries = baseline === null ? equalParameters : [baseline, ...equalParameters];
    tables.push(fixedSteps('At about the same number of parameters', entries, baseline));
  }
  if (toTarget && target !== null) {
    tables.push(
      convergence(
        toTarget,
        target,
        missed.map(({ name }) => name),
      ),
    );
  }
  if (tried.length > 0) tables.push(searched(findings));
  return tables;
}

function fixedSteps(title: string, entries: readonly Entry[], baseline: Entry | null): TextTable {
  const steps = entries[0]?.outcomes[0]?.steps ?? 0;
  return {
    title: `${title}: fixed steps, ${formatCount(steps)} each`,
    remark: `${method(entries)} Equal steps compare how fast networks learn, not how well they could.`,
    head: [
      ...COMMON,
      'validation loss',
      ...(hasAccuracy(entries) ? ['accuracy'] : []),
      'step time',
      '/ tensor',
      `${energyName(entries)} per step`,
      '/ tensor',
    ],
    rows: entries.map((entry) => [
      ...common(entry),
      spread(entry, (one) => one.validationLoss, formatLoss),
      ...(hasAccuracy(entries)
        ? [
            spread(
              entry,
              (one) => one.validationAccuracy,
              (share) => formatPercent(share, 1),
            ),
          ]
        : []),
      spread(entry, (one) => one.stepTimeS, formatDuration),
      ratio(entry, baseline, (one) => one.stepTimeS),
      spread(entry, (one) => one.stepEnergyJ, joules),
      ratio(entry, baseline, (one) => one.stepEnergyJ),
    ]),
  };
}

function convergence(
  entries: readonly Entry[],
  target: number,
  missed: readonly string[],
): TextTable {
  const baseline = entries.find(({ contestant }) => contestant.strategy === 'tensor') ?? null;
  const { steps, timeS, energyJ } = costsTo(target);
  const not = missed.length === 0 ? '' : ` Did not reach it with every seed: ${missed.join(', ')}.`;
  return {
    title: `To the validation loss ${formatLoss(target)}: convergence`,
    remark:
      `${method(entries)} The loss is one that tensor reached with every seed. Steps count to the first ` +
      `validation at or below it; time and energy are steps × time and energy per step.${not}`,
    head: [...COMMON, 'ranks', 'steps', 'time', '/ tensor', energyName(entries), '/ tensor'],
    rows: entries.map((entry) => [
      ...common(entry),
      String(entry.contestant.ranks),
      spread(entry, steps, formatCount),
      spread(entry, timeS, formatDuration),
      ratio(entry, baseline, timeS),
      spread(entry, energyJ, joules),
      ratio(entry, baseline, energyJ),
    ]),
  };
}

function searched({ tried, smallest, control, target }: Findings): TextTable {
  return {
    title: `The smallest phantom network that reaches ${formatLoss(target)}: ${smallest?.name ?? 'none of those tried'}`,
    remark:
      'Bisection over widths, blocks and ghosts in order of parameters, each with all rates and ' +
      'seeds. It assumes that a larger network does no worse, which usually but not always holds.' +
      controlText(control),
    head: ['network', 'width', 'blocks', 'ghosts', 'ranks', 'parameters', 'reached'],
    rows: [...tried, ...(control === null ? [] : [control])].map(
      ({ contestant: { name, width, blocks, ghosts, ranks, parameters }, reached }) => [
        name,
        ...[width, blocks, ghosts, ranks].map(String),
        formatSi(parameters),
        reached ? 'yes' : 'no',
      ],
    ),
  };
}

function controlText(control: Findings['control']): string {
  if (control === null) return '';
  const { contestant, reached } = control;
  return reached
    ? ` Control: ${contestant.name}, of the width found, reaches it too, so part of the saving ` +
        'over the large network is due to size alone.'
    : ` Control: ${contestant.name}, of the width found, does not reach it.`;
}

/** How the numbers of a table were obtained. */
export function method(entries: readonly Entry[]): string {
  const [first] = entries.flatMap(({ outcomes }) => outcomes);
  const seeds = entries[0]?.outcomes.length ?? 0;
  const energy =
    first === undefined || first.energyObtained === 'unavailable'
      ? 'Energy was not measured.'
      : `Energy is ${obtainedText(first.energyObtained)}: ${first.meter.replace(/^modelled /, '')}.`;
  return (
    `Medians over ${plural(seeds, 'seed')} (lowest to highest), each network at its best rate; ratios pair ` +
    `runs of the same seed. ${energy}`
  );
}

function obtainedText(obtained: Outcome['energyObtained']): string {
  return {
    counter: 'from a counter',
    integrated: 'integrated from power',
    modelled: 'modelled',
    unavailable: 'unknown',
  }[obtained];
}

export function energyName(entries: readonly Entry[]): string {
  const modelled = entries.some(({ outcomes }) =>
    outcomes.some(({ energyObtained }) => energyObtained === 'modelled'),
  );
  return modelled ? 'energy (modelled)' : 'energy';
}

function hasAccuracy(entries: readonly Entry[]): boolean {
  return entries.some(({ outcomes }) => outcomes.some((one) => one.validationAccuracy !== null));
}

export function common({ contestant, rate, outcomes }: Entry): string[] {
  const [first] = outcomes;
  return [
    contestant.name,
    String(rate),
    formatSi(contestant.parameters),
    first ? formatSi(first.flopsPerStep, 'FLOP') : '–',
    first ? formatSi(first.receivedBytesPerStep, 'B') : '–',
  ];
}

/** `0.412 (0.408–0.420)` */
export function text(spreadOrNull: Spread | null, format: (value: number) => string): string {
  if (spreadOrNull === null) return '–';
  const { median, low, high } = spreadOrNull;
  const [middle = '', least = '', most = ''] = [median, low, high].map(format);
  if (least === most) return middle;
  const unit = /[^\d.]*$/.exec(middle)?.[0] ?? '';
  const isShared = [least, most].every((each) => each.endsWith(unit)) && unit !== '';
  if (!isShared || /\d/.test(unit)) return `${middle} (${least}–${most})`;
  const [a, b, c] = [middle, least, most].map((each) => each.slice(0, each.length - unit.length));
  return `${a} (${b}–${c})${unit}`;
}

export function spread(
  { outcomes }: Entry,
  read: Reading,
  format: (value: number) => string,
): string {
  return text(spreadOf(outcomes.map(read)), format);
}

function ratio(entry: Entry, baseline: Entry | null, read: Reading): string {
  if (baseline === null) return '–';
  return text(ratiosOf(entry.outcomes.map(read), baseline.outcomes.map(read)), formatRatio);
}

export function joules(value: number): string {
  return formatSi(value, 'J');
}
