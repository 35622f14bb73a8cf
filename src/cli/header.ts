import { exchangesGhosts } from '../layers/strategies.js';
import type { TrainingSettings } from '../settings/settings.js';
import type { StartEvent } from '../training/events.js';
import { formatCount, ghostsText, formatSi, plural } from '../base/format.js';
import { obtainedWord } from './energy-text.js';

/** What a run is, in three lines of names and values; a table says in further ones what it is used for. */
export function headerPairs(settings: TrainingSettings, start: StartEvent): [string, string][] {
  const rows = start.trainingRows === null ? '' : `, ${plural(start.trainingRows, 'row')}`;
  const energy = obtainedWord(start.energyObtained, start.meter);
  const parameters = `${formatSi(start.parameters)} parameters`;
  return [
    ...tablePairs(start),
    ['network', `${networkText(settings)}${endsText(start)}, ${parameters}`],
    ...fromPairs(start),
    ['training', `${settings.data}${rows}: ${courseText(settings, start)}`],
    ...heldBackPairs(settings, start),
    ['machine', `${groupText(start)}, ${start.engineDescription}, energy ${energy}`],
  ];
}

/** The same with everything that was asked for and was found to do it with. */
export function verbosePairs(settings: TrainingSettings, start: StartEvent): [string, string][] {
  const rows = start.trainingRows === null ? 'endless' : plural(start.trainingRows, 'row');
  const validation = start.validationRows === 0 ? 'none' : plural(start.validationRows, 'row');
  const sent = formatSi(start.sentBytesPerStep, 'B');
  const received = formatSi(start.receivedBytesPerStep, 'B');
  const most = settings.nestedGhosts ? 'at most ' : '';
  return [
    ['network', `${networkText(settings)}${endsText(start)}, ${settings.activation}`],
    ['parameters', formatCount(start.parameters)],
    ...fromPairs(start),
    ...tablePairs(start),
    ['data', `${settings.data}: ${rows} for training, validation ${validation}`],
    ['training', courseText(settings, start)],
    ['engine', `${start.engine}: ${start.engineDescription}`],
    ['ranks', groupText(start)],
    ...placePairs(start),
    ['energy', start.meterDescription],
    [
      'per rank',
      `${most}${formatSi(start.flopsPerStep, 'FLOP')} per step, ${sent} sent and ${received} ` +
        `received; peak ${formatSi(start.peakFlopsPerS, 'FLOP/s')}, memory ` +
        formatSi(start.memoryBytes, 'B'),
    ],
    ['run folder', start.runFolder],
  ];
}

const fromPairs = ({ from }: StartEvent): [string, string][] =>
  from === null ? [] : [['from', from]];

/** What a table is used for, and what was decided about its columns. */
function tablePairs({ table, notes }: StartEvent): [string, string][] {
  if (table === null) return [];
  return [['table', table], ...notes.map((note): [string, string] => ['', note])];
}

/** Without rows that it was not trained on, nothing says how good a network is. */
function heldBackPairs({ validation }: TrainingSettings, start: StartEvent): [string, string][] {
  if (start.table === null || start.validationRows > 0 || validation !== null) return [];
  return [['', 'nothing to validate on: --validation 0.1 holds back a tenth of the rows']];
}

function networkText(settings: TrainingSettings): string {
  const { strategy, width, depth, blocks, compute, ghostPrecision, nestedGhosts } = settings;
  const precision = ghostPrecision === 'float32' ? '' : ` in ${ghostPrecision}`;
  const products = compute === 'float32' ? '' : `, products in ${compute}`;
  const exchanged = `, ${ghostsText(settings)}${precision}${nestedGhosts ? ', nested' : ''}`;
  const ghosts = exchangesGhosts(strategy) ? exchanged : '';
  const plain = settings.widths
    ? `widths ${settings.widths.join(', ')}`
    : `width ${width}, depth ${depth}`;
  const { norm, expansion, gated, dropout } = settings;
  const sizes =
    settings.architecture === 'residual'
      ? `${plain} ${gated ? 'gated ' : ''}residual blocks of ${expansion ?? 2}N, norm ${norm ?? 'rms'}`
      : plain;
  const dropped = dropout > 0 ? `, dropout ${dropout}` : '';
  return `${strategy}, ${sizes}, ${plural(blocks, 'block')}${ghosts}${products}${dropped}`;
}

/** Ends that are split over the blocks. */
function endsText({ input, head }: StartEvent): string {
  const split = [`${input} input`, `${head} head`].filter((text) => !/replicated|none/.test(text));
  return split.map((text) => `, ${text}`).join('');
}

function courseText(settings: TrainingSettings, start: StartEvent): string {
  const { batch, accumulate, optimizer, lr, schedule, seed } = settings;
  const parts = accumulate === 1 ? '' : ` in ${accumulate} micro-batches`;
  const from = start.firstStep === 0 ? '' : ` from step ${formatCount(start.firstStep)}`;
  const course = schedule === 'constant' ? '' : `, ${schedule}`;
  return (
    `${plural(start.steps, 'step')} of ${batch}${parts}${from}, ${optimizer}, lr ${lr}${course}, ` +
    `seed ${seed}`
  );
}

function groupText({ communicator, replicas }: StartEvent): string {
  return replicas === 1 ? communicator : `${replicas} replicas of ${communicator}`;
}

/** Longer lists than this are in metrics.jsonl. */
const LISTED_PROCESSES = 16;

/** Launchers name a dead process by its number; this says which rank it was. */
function placePairs({ processes }: StartEvent): [string, string][] {
  if (processes === null || processes.length > LISTED_PROCESSES) return [];
  const hosts = new Set(processes.map(({ host }) => host));
  const places = processes.map(({ host, pid }) => (hosts.size === 1 ? pid : `${pid} on ${host}`));
  return [['processes', `by rank: ${places.join(', ')}`]];
}
