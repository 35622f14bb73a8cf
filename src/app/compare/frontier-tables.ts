import { formatCount, formatDuration, formatLoss, formatRatio } from '../../base/format.js';
import type { Series, XyFigure } from '../../report/figure.js';
import type { TextTable } from '../../report/page-data.js';
import { COSTS, type Cost, type Frontier, leastLoss } from './frontier.js';
import { COMMON, common, energyName, joules, method, spread, text } from './tables.js';

/** The networks, and for each other group what phantom networks take of its cost at each loss. */
export function frontierTables(frontier: Frontier): TextTable[] {
  const { entries, failed, groups } = frontier;
  const not = failed.length === 0 ? '' : ` Did not train with every seed: ${failed.join(', ')}.`;
  const steps = entries[0]?.outcomes[0]?.steps ?? 0;
  const networks: TextTable = {
    title: `Networks, ${formatCount(steps)} steps each`,
    remark: `${method(entries)} Dense networks are tensor of one block, p1.${not}`,
    head: [...COMMON, 'least validation loss', 'step time', `${energyName(entries)} per step`],
    rows: entries.map((entry) => [
      ...common(entry),
      spread(entry, leastLoss, formatLoss),
      spread(entry, (one) => one.stepTimeS, formatDuration),
      spread(entry, (one) => one.stepEnergyJ, joules),
    ]),
  };
  const others = groups.filter((group) => group !== 'phantom');
  const compared = groups.includes('phantom') ? others : [];
  return [networks, ...compared.map((against) => ratioTable(frontier, against))];
}

function ratioTable({ levels, cheapest, ratios, entries }: Frontier, against: string): TextTable {
  const smallest = (group: string, level: number) => {
    const found = cheapest.find(
      (one) => one.group === group && one.level === level && one.cost === 'parameters',
    );
    const names = found?.bySeed.map((one) => one?.contestant ?? 'none') ?? [];
    return [...new Set(names)].join(' or ');
  };
  const ratio = (level: number, cost: Cost) =>
    text(
      ratios.find((one) => one.against === against && one.level === level && one.cost === cost)
        ?.ratio ?? null,
      formatRatio,
    );
  const energy = energyName(entries);
  return {
    title: `The smallest that reach a loss: phantom / ${against}`,
    remark:
      'Each ratio is of the networks that take least of it, seed by seed: medians (lowest to highest). ' +
      'Parameters, FLOPs and bytes are of all ranks; time and energy count to the first validation at ' +
      'or below the loss. –: one side did not reach it with every seed, or takes nothing.',
    head: [
      'loss',
      'smallest phantom',
      `smallest ${against}`,
      ...COSTS.map(({ key, label }) => (key === 'energyJ' ? energy : label)),
    ],
    rows: levels.map((level) => [
      formatLoss(level),
      smallest('phantom', level),
      smallest(against, level),
      ...COSTS.map(({ key }) => ratio(level, key)),
    ]),
  };
}

/** At the least loss that both reach, what phantom networks take of the others' parameters. */
export function frontierVerdict({ ratios, groups }: Frontier): string {
  const parts = groups.flatMap((against) => {
    const last = ratios.findLast(
      (one) => one.against === against && one.cost === 'parameters' && one.ratio !== null,
    );
    if (last === undefined) return [];
    return [
      `${text(last.ratio, formatRatio)} the parameters of ${against} at ${formatLoss(last.level)}`,
    ];
  });
  if (parts.length === 0) return 'Phantom networks and others have no loss that both reach.';
  return `At the least loss that both reach, the smallest phantom network has ${parts.join(', ')}.`;
}

/** Lower envelopes: the least loss over each cost, a curve for each group. */
export function frontierFigures({ envelopes, groups, entries }: Frontier): XyFigure[] {
  const isModelled = entries.some(({ outcomes }) =>
    outcomes.some(({ energyObtained }) => energyObtained === 'modelled'),
  );
  return COSTS.flatMap(({ key, label, unit, untilLoss }): XyFigure[] => {
    const series = groups.flatMap((group, look): Series[] => {
      const found = envelopes.find((one) => one.group === group && one.cost === key);
      const points = (found?.points ?? []).filter(({ cost }) => cost.median > 0);
      if (points.length === 0) return [];
      const drawn = points.map(({ contestant, cost, loss }) => ({
        x: cost.median,
        y: loss.median,
        low: loss.low,
        high: loss.high,
        note: contestant,
      }));
      return [{ label: group, points: drawn, look, modelled: key === 'energyJ' && isModelled }];
    });
    if (series.length === 0) return [];
    const of = untilLoss ? `${label} of the run` : label;
    const x = { label: of, ...(unit !== '' && { unit }), scale: 'log' } as const;
    const y = { label: 'validation loss', scale: 'log' } as const;
    return [{ kind: 'lines', title: `Least validation loss over ${of}`, x, y, series }];
  });
}
