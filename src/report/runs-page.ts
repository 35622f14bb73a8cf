import { exchangesGhosts } from '../layers/strategies.js';
import {
  formatCount,
  formatDuration,
  formatGhosts,
  formatLoss,
  formatPercent,
  formatSi,
  plural,
} from '../base/format.js';
import type { Chart } from './chart.js';
import { communicationBars, memoryBars, phaseBars, phaseEnergyBars } from './run-bars.js';
import { lossCharts, scalingCharts } from './run-curves.js';
import { type Markup, markup } from './markup.js';
import { facts, figures, page, problemList, section, table } from './page.js';
import { modelledWord } from './energy-charts.js';
import type { RunRecord } from './run-record.js';

/** The page of some runs. @param problems of folders that could not be read */
export function runsPage(runs: readonly RunRecord[], problems: readonly string[]): string {
  const [first] = runs;
  const title = runs.length === 1 && first ? `Run ${first.name}` : plural(runs.length, 'run');
  const remarks = [
    ...problems,
    ...runs.flatMap((run) => run.problems.map((problem) => `${run.name}: ${problem}`)),
  ];
  const charts = (name: string, makers: readonly ((width: number) => Chart)[]) =>
    figures(name, makers);
  return page(title, markup`<p class="soft">${about(runs)}</p>`, [
    problemList('Notes', remarks),
    section('Results', [table('Each run', HEAD, runs.map(summaryRow))]),
    section('Loss', [charts('loss', lossCharts(runs))]),
    section('Time and energy per step', [
      charts('phase', [...phaseBars(runs), ...phaseEnergyBars(runs)]),
    ]),
    section('Communication and computation', [charts('comm', communicationBars(runs))]),
    section('Scaling with blocks, ranks and ghosts', [charts('scale', scalingCharts(runs))]),
    section('Memory per rank', [charts('mem', memoryBars(runs))]),
    section('Where the numbers come from', runs.map(provenance)),
  ]);
}

function about(runs: readonly RunRecord[]): string {
  const data = [...new Set(runs.map(({ config }) => config.settings.data))];
  return `Data: ${data.join('; ')}`;
}

const HEAD = (
  'run;network;parameters;ranks;rate;steps;validation loss;accuracy;step time;samples/s;' +
  'FLOPs per rank and step;received;energy;energy per step;state'
).split(';');

function summaryRow(run: RunRecord): string[] {
  const { config, start, end, energy, steps } = run;
  const { settings } = config;
  const last = steps.at(-1);
  const word = modelledWord(energy?.obtained);
  const joules = (value: number | null | undefined) =>
    value === null || value === undefined ? 'not measured' : `${formatSi(value, 'J')}${word}`;
  const validation = run.validations.at(-1);
  return [
    run.name,
    networkText(run),
    start === null ? 'unknown' : formatSi(start.parameters),
    start === null ? 'unknown' : ranksText(start.ranks, start.replicas),
    String(settings.lr),
    formatCount(end?.step ?? last?.step ?? 0),
    formatLoss(end?.validationLoss ?? validation?.loss ?? null),
    formatPercent(end?.validationAccuracy ?? validation?.accuracy ?? null),
    durationOr(end?.medianStepTimeS ?? last?.stepTimeS),
    end?.samplesPerS ? formatSi(end.samplesPerS) : '–',
    start === null ? 'unknown' : formatSi(start.flopsPerStep, 'FLOP'),
    start === null ? 'unknown' : formatSi(start.receivedBytesPerStep, 'B'),
    joules(energy?.energyJ),
    joules(energy?.perStepJ),
    end === null ? 'running or killed' : end.reason,
  ];
}

function networkText({ config }: RunRecord): string {
  const { strategy, width, depth, blocks } = config.settings;
  const ghosts = exchangesGhosts(strategy) ? `, K ${formatGhosts(config.settings)}` : '';
  return `${strategy}, N ${width}, L ${depth}, P ${blocks}${ghosts}`;
}

function ranksText(ranks: number, replicas: number): string {
  return replicas === 1 ? String(ranks) : `${replicas} × ${ranks}`;
}

function durationOr(seconds: number | null | undefined): string {
  return seconds === null || seconds === undefined ? '–' : formatDuration(seconds);
}

function provenance(run: RunRecord): Markup {
  const { config, start, end, energy, folder } = run;
  const { settings, machine, versions, data } = config;
  const changed = Object.entries(settings)
    .filter(([, value]) => value !== null)
    .map(([key, value]) => `${key} ${String(value)}`);
  const pairs: [string, string][] = [
    ['folder', folder],
    ['started', config.created],
    ['network', networkText(run)],
    ['data', `${data.name}, ${plural(data.validationRows, 'row')} for validation`],
    ['settings', changed.join(', ')],
    ['engine', start === null ? 'unknown' : `${start.engine}: ${start.engineDescription}`],
    ['ranks', start === null ? 'unknown' : start.communicator],
    ['machine', Object.values(machine).join(', ')],
    [
      'versions',
      Object.entries(versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(', '),
    ],
    ['energy', energyText(run)],
  ];
  if (energy?.factors && energy.emissionsG !== null) {
    const word = modelledWord(energy.obtained);
    pairs.push([
      'emissions',
      `${formatSi(energy.emissionsG, 'g')} CO₂e${word} (${energy.factors})`,
    ]);
  }
  if (end !== null) pairs.push(['run time', formatDuration(end.elapsedS)]);
  return markup`<h3>${run.name}</h3>${facts(pairs)}`;
}

function energyText({ energy }: RunRecord): string {
  if (energy === null || energy.energyJ === null) return 'not measured';
  const power =
    energy.meanPowerW === null ? '' : `, ${formatSi(energy.meanPowerW, 'W')} on average`;
  const sample =
    energy.perSampleJ === null ? '' : `, ${formatSi(energy.perSampleJ, 'J')} per sample`;
  const ranks = energy.perRankJ.map((joules) =>
    joules === null ? 'unknown' : formatSi(joules, 'J'),
  );
  const shared = ranks.length < 2 ? '' : `; by rank ${ranks.join(', ')}`;
  return `${formatSi(energy.energyJ, 'J')}, ${energy.obtained}${power}${sample}${shared}: ${energy.description}`;
}
