import type { Chart } from '../../report/chart.js';
import { markup } from '../../report/markup.js';
import { facts, figures, page, problemList, section, table } from '../../report/page.js';
import { lineChart, scatterChart, type Series } from '../../report/xy-chart.js';
import { spreadOf } from './statistics.js';
import type { Entry, Findings } from './study.js';
import { medianStepsTo } from './study.js';
import type { Table } from './tables.js';

/** What a comparison's page shows. */
export interface ComparisonPage {
  readonly findings: Findings | null;
  readonly tables: readonly Table[];
  /** Settings, budget and machine, in names and values. */
  readonly about: readonly (readonly [string, string])[];
  readonly problems: readonly string[];
}

/** `report.html` of a comparison. */
export function comparisonPage({ findings, tables, about, problems }: ComparisonPage): string {
  const charts = findings === null ? [] : comparisonCharts(findings);
  return page('Phantom and tensor parallelism compared', markup`${facts(about)}`, [
    problemList('Notes', problems),
    ...tables.map(({ title, remark, head, rows }) =>
      section(title, [markup`<p>${remark}</p>`, table(title, head, rows)]),
    ),
    section('Charts', [figures('c', charts)]),
  ]);
}

/** The charts of a comparison, each for a width in pixels. */
export function comparisonCharts(findings: Findings): ((width: number) => Chart)[] {
  const entries = [...(findings.equalWidth ?? []), ...(findings.equalParameters ?? [])];
  if (entries.length === 0) return [];
  const energy = entries.some(({ outcomes }) => outcomes.some((one) => one.stepEnergyJ !== null));
  const target = findings.target;
  const charts = [(width: number) => lossCurves(entries, width)];
  const whole = findings.toTarget ?? [];
  charts.push((width) =>
    against({
      title: 'Step time and validation loss, fixed steps',
      entries,
      label: 'step time',
      unit: 's',
      read: (entry) => spreadOf(entry.outcomes.map(({ stepTimeS }) => stepTimeS)),
      width,
    }),
  );
  if (energy) {
    charts.push((width) =>
      against({
        title: 'Energy per step and validation loss, fixed steps',
        entries,
        label: 'energy per step',
        unit: 'J',
        read: (entry) => spreadOf(entry.outcomes.map(({ stepEnergyJ }) => stepEnergyJ)),
        width,
      }),
    );
  }
  if (target !== null && whole.length > 0) {
    charts.push((width) => toTarget(whole, target, energy, width));
  }
  return charts;
}

function lossCurves(entries: readonly Entry[], width: number): Chart {
  const series = entries.slice(0, 7).map(({ contestant, rate, outcomes }): Series => {
    const steps = outcomes[0]?.validations.map(([step]) => step) ?? [];
    const points = steps.map((step, i) => {
      const spread = spreadOf(
        outcomes.map(({ validations }) =>
          validations[i]?.[0] === step ? (validations[i]?.[1] ?? null) : null,
        ),
      );
      return spread === null
        ? { x: step, y: null }
        : { x: step, y: spread.median, low: spread.low, high: spread.high };
    });
    return { label: `${contestant.name}, rate ${rate}`, points };
  });
  return lineChart({
    title: 'Validation loss against steps, medians with their spread',
    width,
    x: { label: 'step' },
    y: { label: 'validation loss', scale: 'log' },
    series,
  });
}

interface AgainstLoss {
  readonly title: string;
  readonly entries: readonly Entry[];
  /** Of the horizontal axis. */
  readonly label: string;
  readonly unit: string;
  readonly read: (entry: Entry) => { readonly median: number } | null;
  readonly width: number;
}

function against({ title, entries, label, unit, read, width }: AgainstLoss): Chart {
  const series = entries.map((entry): Series => {
    const loss = spreadOf(entry.outcomes.map(({ validationLoss }) => validationLoss));
    const x = read(entry);
    const points =
      loss === null || x === null
        ? []
        : [{ x: x.median, y: loss.median, low: loss.low, high: loss.high }];
    return { label: entry.contestant.name, points, modelled: unit === 'J' && isModelled(entry) };
  });
  return scatterChart({
    title,
    width,
    x: { label, unit, fromZero: true },
    y: { label: 'validation loss' },
    series,
  });
}

function toTarget(
  entries: readonly Entry[],
  target: number,
  energy: boolean,
  width: number,
): Chart {
  const series = entries.map((entry): Series => {
    const steps = medianStepsTo(target, entry);
    const each = spreadOf(entry.outcomes.map((one) => (energy ? one.stepEnergyJ : one.stepTimeS)));
    const points =
      steps === null || each === null
        ? []
        : [{ x: entry.contestant.parameters, y: steps * each.median }];
    return { label: entry.contestant.name, points, modelled: energy && isModelled(entry) };
  });
  return scatterChart({
    title: `${energy ? 'Energy' : 'Time'} to the validation loss ${target.toPrecision(4)}`,
    width,
    x: { label: 'parameters', fromZero: true },
    y: { label: energy ? 'energy' : 'time', unit: energy ? 'J' : 's', fromZero: true },
    series,
  });
}

function isModelled({ outcomes }: Entry): boolean {
  return outcomes.some(({ energyObtained }) => energyObtained === 'modelled');
}
