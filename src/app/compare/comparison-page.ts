import { formatLoss, formatRatio } from '../../base/format.js';
import type { Figure, Series, XyFigure } from '../../report/figure.js';
import { pageHtml } from '../../report/page-html.js';
import type { TextTable } from '../../report/page-data.js';
import { ratiosOf, spreadOf } from './statistics.js';
import type { Entry, Findings } from './study.js';
import { costsTo, type Reading } from './outcome.js';

/** What a comparison's page shows. */
export interface ComparisonPage {
  /** What it came to so far, in a sentence. */
  readonly verdict: string;
  /** The first is its picture. */
  readonly figures: readonly Figure[];
  readonly tables: readonly TextTable[];
  /** Settings, budget and machine, in names and values. */
  readonly about: readonly (readonly [string, string])[];
  readonly problems: readonly string[];
}

/** `report.html` of a comparison: its verdict and one picture, then tables, then all else. */
export function comparisonPage(shown: ComparisonPage): string {
  const { verdict, figures, tables, about, problems } = shown;
  const [figure = null, ...others] = figures;
  return pageHtml({
    title: 'Phantom and tensor parallelism compared',
    lead: { sentence: verdict, figure },
    about,
    notes: problems,
    runs: [],
    tables,
    figures: others.length === 0 ? [] : [{ title: 'Charts', figures: others }],
    live: false,
  });
}

const isTensor = ({ contestant }: Entry) => contestant.strategy === 'tensor';
const isPhantom = ({ contestant }: Entry) => contestant.strategy === 'phantom';
const lossOf = ({ outcomes }: Entry) =>
  spreadOf(outcomes.map(({ validationLoss }) => validationLoss))?.median ?? null;

/** What a comparison came to, in a sentence. */
export function verdictOf(findings: Findings): string {
  const { toTarget, target, equalWidth, equalParameters } = findings;
  const tensor = toTarget?.find(isTensor);
  if (toTarget && target !== null && tensor !== undefined) {
    const cheapest = (entries: readonly Entry[]) =>
      entries
        .map((entry) => ({
          name: entry.contestant.name,
          cost: costToTarget(entry, tensor, target),
        }))
        .toSorted((a, b) => (a.cost.order ?? Infinity) - (b.cost.order ?? Infinity))[0];
    const best = cheapest(toTarget.filter(isPhantom));
    const reached = `reached the validation loss ${formatLoss(target)} of ${tensor.contestant.name}`;
    if (best === undefined) {
      return `No phantom network ${reached} with every seed. ${atEqualSteps(equalWidth ?? [])}`;
    }
    // The strongest of those that it is measured against, small controls among them.
    const other = cheapest(toTarget.filter((entry) => !isPhantom(entry) && entry !== tensor));
    const besides =
      other === undefined
        ? ''
        : `; of the other tensor-parallel networks, ${other.name} did with ${other.cost.text}`;
    return `${best.name} ${reached} with ${best.cost.text}${besides}.`;
  }
  return atEqualSteps([...(equalWidth ?? []), ...(equalParameters ?? [])]);
}

/** What reaching the target took, as multiples of tensor's. */
function costToTarget(entry: Entry, tensor: Entry, target: number) {
  const { timeS, energyJ } = costsTo(target);
  const [energy, time] = [multiple(entry, tensor, energyJ), multiple(entry, tensor, timeS)];
  return { order: energy ?? time, text: costText(energy, time, entry) };
}

/** The median ratio over seeds. */
function multiple(entry: Entry, tensor: Entry, read: Reading): number | null {
  return ratiosOf(entry.outcomes.map(read), tensor.outcomes.map(read))?.median ?? null;
}

function costText(energy: number | null, time: number | null, entry: Entry): string {
  const word = isModelled(entry) ? ' (modelled)' : '';
  const parts = [
    ...(energy === null ? [] : [`${formatRatio(energy)} its energy${word}`]),
    ...(time === null ? [] : [`${formatRatio(time)} its time`]),
  ];
  return parts.length === 0 ? 'costs that are not known' : parts.join(' and ');
}

function atEqualSteps(entries: readonly Entry[]): string {
  const tensor = entries.find(isTensor);
  const [best] = entries
    .filter(isPhantom)
    .toSorted((a, b) => (lossOf(a) ?? Infinity) - (lossOf(b) ?? Infinity));
  if (tensor === undefined || best === undefined) return 'Too little is done for a verdict.';
  const energy = multiple(best, tensor, (one) => one.stepEnergyJ);
  const time = multiple(best, tensor, (one) => one.stepTimeS);
  return (
    `After equal steps ${best.contestant.name} has the validation loss ${formatLoss(lossOf(best))}, ` +
    `tensor ${formatLoss(lossOf(tensor))}; a step of it takes ${costText(energy, time, best)}.`
  );
}

/** The charts of a comparison; the first is its picture: what a loss costs. */
export function comparisonFigures(findings: Findings): Figure[] {
  const entries = [...(findings.equalWidth ?? []), ...(findings.equalParameters ?? [])];
  if (entries.length === 0) return [];
  const energy = entries.some(({ outcomes }) => outcomes.some((one) => one.stepEnergyJ !== null));
  const target = findings.target;
  const whole = findings.toTarget ?? [];
  const cost = energy
    ? { label: 'energy of the steps', unit: 'J' }
    : { label: 'time of the steps', unit: 's' };
  return [
    against({
      title: `Validation loss against ${energy ? 'energy' : 'time'}, fixed steps`,
      entries,
      ...cost,
      read: ({ outcomes }) =>
        spreadOf(
          outcomes.map(({ steps, stepEnergyJ, stepTimeS }) => {
            const each = energy ? stepEnergyJ : stepTimeS;
            return each === null ? null : steps * each;
          }),
        ),
    }),
    lossCurves(entries),
    against({
      title: 'Step time and validation loss, fixed steps',
      entries,
      label: 'step time',
      unit: 's',
      read: ({ outcomes }) => spreadOf(outcomes.map(({ stepTimeS }) => stepTimeS)),
    }),
    ...(target === null || whole.length === 0 ? [] : [costFigure(whole, target, energy)]),
  ];
}

function lossCurves(entries: readonly Entry[]): XyFigure {
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
  return {
    kind: 'lines',
    title: 'Validation loss against steps, medians with their spread',
    x: { label: 'step' },
    y: { label: 'validation loss', scale: 'log' },
    series,
  };
}

interface AgainstLoss {
  readonly title: string;
  readonly entries: readonly Entry[];
  /** Of the horizontal axis. */
  readonly label: string;
  readonly unit: string;
  readonly read: (entry: Entry) => { readonly median: number } | null;
}

function against({ title, entries, label, unit, read }: AgainstLoss): XyFigure {
  const series = entries.map((entry): Series => {
    const loss = spreadOf(entry.outcomes.map(({ validationLoss }) => validationLoss));
    const x = read(entry);
    const points =
      loss === null || x === null
        ? []
        : [{ x: x.median, y: loss.median, low: loss.low, high: loss.high }];
    return { label: entry.contestant.name, points, modelled: unit === 'J' && isModelled(entry) };
  });
  return {
    kind: 'dots',
    title,
    x: { label, unit, fromZero: true },
    y: { label: 'validation loss' },
    series,
  };
}

function costFigure(entries: readonly Entry[], target: number, energy: boolean): XyFigure {
  const series = entries.map((entry): Series => {
    const { energyJ, timeS } = costsTo(target);
    const cost = spreadOf(entry.outcomes.map(energy ? energyJ : timeS));
    const points =
      cost === null
        ? []
        : [{ x: entry.contestant.parameters, y: cost.median, low: cost.low, high: cost.high }];
    return { label: entry.contestant.name, points, modelled: energy && isModelled(entry) };
  });
  return {
    kind: 'dots',
    title: `${energy ? 'Energy' : 'Time'} to the validation loss ${target.toPrecision(4)}`,
    x: { label: 'parameters', fromZero: true },
    y: { label: energy ? 'energy' : 'time', unit: energy ? 'J' : 's', fromZero: true },
    series,
  };
}

function isModelled({ outcomes }: Entry): boolean {
  return outcomes.some(({ energyObtained }) => energyObtained === 'modelled');
}
