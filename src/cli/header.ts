import type { TrainingSettings } from '../settings/settings.js';
import type { StartEvent } from '../training/events.js';
import { formatCount, formatGhosts, formatSi } from '../base/format.js';

/** What a run is, in names and values: what was asked for and what was found to do it with. */
export function headerPairs(settings: TrainingSettings, start: StartEvent): [string, string][] {
  const { width, depth, blocks, activation, batch, accumulate, optimizer } = settings;
  const { ghostPrecision, nestedGhosts } = settings;
  const precision = ghostPrecision === 'float32' ? '' : ` in ${ghostPrecision}`;
  const exchanged = `, ${formatGhosts(settings)} ghosts${precision}${nestedGhosts ? ', nested' : ''}`;
  const split = `${blocks} blocks${settings.strategy === 'phantom' ? exchanged : ''}`;
  const micro = accumulate === 1 ? '' : ` in ${accumulate} micro-batches`;
  const schedule = settings.schedule === 'constant' ? '' : `, ${settings.schedule}`;
  const rows = start.trainingRows === null ? 'endless' : `${formatCount(start.trainingRows)} rows`;
  const validation =
    start.validationRows === 0 ? 'none' : `${formatCount(start.validationRows)} rows`;
  const resumed = start.firstStep === 0 ? '' : `, from step ${formatCount(start.firstStep)}`;
  const sent = formatSi(start.sentBytesPerStep, 'B');
  const received = formatSi(start.receivedBytesPerStep, 'B');
  return [
    ['strategy', `${start.strategy}, width ${width}, depth ${depth}, ${split}, ${activation}`],
    ['parameters', `${formatCount(start.parameters)} (${formatSi(start.parameters)})`],
    ['data', `${settings.data}, ${rows} for training, validation ${validation}`],
    [
      'training',
      `${formatCount(start.steps)} steps of ${batch}${micro}${resumed}, ` +
        `${optimizer}, lr ${settings.lr}${schedule}, seed ${settings.seed}`,
    ],
    ['engine', `${start.engine}: ${start.engineDescription}`],
    ['ranks', `${start.ranks}: ${start.communicator}`],
    ...placePairs(start),
    ['energy', start.meterDescription],
    [
      'rank and step',
      `${nestedGhosts ? 'at most ' : ''}${formatSi(start.flopsPerStep, 'FLOP')}, ${sent} sent, ${received} received ` +
        `(peak ${formatSi(start.peakFlopsPerS, 'FLOP/s')}, memory ${formatSi(start.memoryBytes, 'B')})`,
    ],
  ];
}

/** Longer lists than this are in metrics.jsonl. */
const LISTED_PROCESSES = 16;

/** Launchers tell of a dead process by its number; this tells which rank it was. */
function placePairs({ processes }: StartEvent): [string, string][] {
  if (processes === null || processes.length > LISTED_PROCESSES) return [];
  const hosts = new Set(processes.map(({ host }) => host));
  const places = processes.map(({ host, pid }) => (hosts.size === 1 ? pid : `${pid} on ${host}`));
  return [['processes', `by rank: ${places.join(', ')}`]];
}
