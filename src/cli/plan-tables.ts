import type { Plan } from '../analysis/plan.js';
import type { SearchLimits, SearchResult } from '../analysis/search.js';
import { formatDuration, formatGhosts, formatPercent, formatSi, plural } from '../base/format.js';
import { formatTable, wrapText } from './table.js';

const UNKNOWN = 'unknown';
const duration = (seconds: number | undefined) =>
  seconds === undefined ? UNKNOWN : formatDuration(seconds);
const joules = ({ energy }: Plan) => {
  if (typeof energy?.energyJ === 'number') return formatSi(energy.energyJ, 'J');
  return typeof energy?.atMostJ === 'number' ? `≤ ${formatSi(energy.atMostJ, 'J')}` : UNKNOWN;
};

/** A step of each strategy, side by side. */
export function planTable(plans: readonly Plan[], width: number): string[] {
  const averageRow: [string, (plan: Plan) => string][] = plans.some(
    ({ memory }) => memory.averageBytes > 0,
  )
    ? [['  average of weights', (plan) => formatSi(plan.memory.averageBytes, 'B')]]
    : [];
  const rows: [string, (plan: Plan) => string][] = [
    ['parameters, all', (plan) => formatSi(plan.parameters)],
    ['FLOPs forward', (plan) => formatSi(plan.forwardFlops, 'FLOP')],
    ['FLOPs backward', (plan) => formatSi(plan.backwardFlops, 'FLOP')],
    ['FLOPs update', (plan) => formatSi(plan.updateFlops, 'FLOP')],
    ['bytes sent', (plan) => formatSi(plan.sentBytes, 'B')],
    ['collectives', (plan) => String(plan.collectives)],
    ['messages', (plan) => (plan.messages === null ? UNKNOWN : String(plan.messages))],
    [
      'memory',
      (plan) => formatSi(plan.memory.totalBytes, 'B') + (plan.fits === false ? ' (!)' : ''),
    ],
    ['  parameters', (plan) => formatSi(plan.memory.parameterBytes, 'B')],
    ['  gradients', (plan) => formatSi(plan.memory.gradientBytes, 'B')],
    ['  optimizer', (plan) => formatSi(plan.memory.optimizerBytes, 'B')],
    ...averageRow,
    ['  activations', (plan) => formatSi(plan.memory.activationBytes, 'B')],
    ['  buffers', (plan) => formatSi(plan.memory.bufferBytes, 'B')],
    ['step time', ({ time }) => duration(time?.stepS)],
    ['  compute', ({ time }) => duration(time?.computeS)],
    ['    local products', ({ time }) => duration(time?.products.local)],
    ['    compression', ({ time }) => duration(time?.products.compression)],
    ['    decompression', ({ time }) => duration(time?.products.decompression)],
    ['    element-wise', ({ time }) => duration(time?.elementsS)],
    ['    optimizer', ({ time }) => duration(time?.updateS)],
    ['  communication', ({ time }) => duration(time?.communicationS)],
    ['    hidden', ({ time }) => duration(time?.hiddenS)],
    ['    exposed', ({ time }) => duration(time?.exposedS)],
    ['energy, all ranks', joules],
  ];
  const [first] = plans;
  if (first === undefined) return [];
  const { depth, blocks, ranks, batch } = first;
  return [
    `width ${first.width}, depth ${depth}, ${plural(blocks, 'block')} on ` +
      `${plural(ranks, 'rank')}, K = ${formatGhosts(first)}, batch ${batch}`,
    '',
    ...formatTable(
      ['per rank and step, modelled', ...plans.map(({ strategy }) => strategy)],
      rows.map(([name, of]) => [name, ...plans.map(of)]),
      width,
    ),
    '',
    ...noteLines(plans, width),
  ];
}

/** What figures rest on, each once. */
function noteLines(plans: readonly Plan[], width: number): string[] {
  const notes = [...new Set(plans.flatMap((plan) => plan.notes))];
  if (plans.some(({ fits }) => fits === false)) notes.push('(!) more memory than a rank has');
  return notes.flatMap((note) => bulleted(note, width));
}

function bulleted(text: string, width: number): string[] {
  return wrapText(text, width - 2).map((line, i) => `${i === 0 ? '·' : ' '} ${line}`);
}

export function sweepLines(plans: readonly Plan[], over: string, width: number): string[] {
  return [
    ...formatTable(
      [over === 'blocks' ? 'ranks' : 'K', ...HEAD],
      plans.map((plan) => [
        String(over === 'blocks' ? plan.blocks : (plan.ghosts ?? '–')),
        ...cells(plan),
      ]),
      width,
    ),
    '',
    ...noteLines(plans, width),
  ];
}

const HEAD = ['strategy', 'FLOPs', 'bytes sent', 'memory', 'step', 'exposed', 'energy'];

function cells(plan: Plan): string[] {
  const { strategy, forwardFlops, backwardFlops, sentBytes, memory, fits, time } = plan;
  return [
    strategy,
    formatSi(forwardFlops + backwardFlops, 'FLOP'),
    formatSi(sentBytes, 'B'),
    formatSi(memory.totalBytes, 'B') + (fits === false ? ' (!)' : ''),
    duration(time?.stepS),
    time === null ? UNKNOWN : formatPercent(time.exposedS / time.stepS, 1),
    joules(plan),
  ];
}

/** The best plans, why the others were refused, and why the first is first. */
export function searchLines(result: SearchResult, limits: SearchLimits, width: number): string[] {
  const { allowed, refused, by } = result;
  const place = ({ strategy, blocks, ghosts }: Plan) =>
    `${strategy}, ${plural(blocks, 'rank')}${ghosts === null ? '' : `, K = ${ghosts}`}`;
  const refusals = refused.map(({ plan, against }) => `${place(plan)}: ${against ?? ''}`);
  const [best, second] = allowed;
  const order =
    by === 'energy'
      ? 'least energy first'
      : 'fewest rank-seconds first: the machine file has no watts';
  const chosen =
    best === undefined
      ? ['No plan is within the limits.']
      : [
          `${place(best)}: ${best.time === null ? UNKNOWN : formatDuration(best.time.stepS)} per step, ` +
            `${joules(best)}, ${formatSi(best.memory.totalBytes, 'B')} per rank`,
          ...(second === undefined ? [] : [`next best: ${place(second)}`]),
          ...(best.ghosts === null
            ? []
            : [
                `K is the smallest assumed to cost no loss: ${limits.safeGhostShare} of the block ` +
                  'width (--safe-ghosts)',
              ]),
        ];
  return [
    ...chosen.flatMap((line) => wrapText(line, width)),
    '',
    `Plans, ${order}:`,
    ...formatTable(
      ['ranks', 'K', ...HEAD],
      allowed
        .slice(0, 12)
        .map((plan) => [String(plan.blocks), String(plan.ghosts ?? '–'), ...cells(plan)]),
      width,
    ),
    ...(refusals.length === 0
      ? []
      : ['', 'Not within the limits:', ...refusals.flatMap((line) => bulleted(line, width))]),
    '',
    ...noteLines(allowed, width),
  ];
}
