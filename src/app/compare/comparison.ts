import path from 'node:path';
import { holdData, openSettingsData } from '../data/open-data.js';
import { endsFor } from '../../model/split-ends.js';
import { withEngine } from '../ranks/engines.js';
import { planRun } from '../train/plan-run.js';
import { ghostFormWith } from '../../settings/network-settings.js';
import type { TrainingSettings } from '../../settings/settings.js';
import { ConfigError } from '../../base/errors.js';
import { replaceFile, makeFolders } from '../../base/files.js';
import { plural } from '../../base/format.js';
import { describeMachine } from '../../checkpoints/run-folder.js';
import type { Baseline, Grid } from './contestants.js';
import type { Frontier } from './frontier.js';
import { frontierFigures, frontierTables, frontierVerdict } from './frontier-tables.js';
import type { Outcome } from './outcome.js';
import type { Figure } from '../../report/figure.js';
import { chartFile } from '../../report/chart-file.js';
import { comparisonFigures, comparisonPage, verdictOf } from './comparison-page.js';
import { comparisonHash, runsDone, withoutOutcomes, writeComparison } from './record.js';
import type { Budget, Findings, Job } from './study.js';
import type { TextTable } from '../../report/page-data.js';
import { tablesOf } from './tables.js';

/** A comparison in a folder: what is done, and its files after each run. */
export interface Comparison {
  readonly folder: string;
  readonly baseline: Baseline;
  readonly runs: readonly Outcome[];
  /** What was found so far, for JSON. */
  readonly findings: object | null;
  readonly tables: readonly TextTable[];
  /** What it came to so far, in a sentence. */
  readonly verdict: string;
  find(job: Job): Outcome | undefined;
  settingsOf(job: Job): TrainingSettings;
  add(outcome: Outcome): void;
  found(findings: Findings): void;
  frontierFound(frontier: Frontier): void;
  interrupted(): void;
}

/** Validations of a run that has no `validateEvery`. */
const VALIDATIONS = 25;

/**
 * Opens a comparison, a new one or one to go on with.
 *
 * @param settings of tensor, the baseline; `out` is the comparison's folder
 * @param grid sizes of the networks of a frontier; null: networks like the baseline are compared
 * @throws ConfigError when settings, data or the folder do not fit
 */
export async function openComparison(
  settings: TrainingSettings,
  budget: Budget,
  triedGhosts: readonly number[] | null,
  grid: Grid | null,
): Promise<Comparison> {
  const folder = settings.out ?? 'runs/compare';
  const data = await openSettingsData(settings);
  if (data.validation === null) {
    throw new ConfigError(
      'compare',
      `${settings.data} has no validation part; use --validation 0.1`,
    );
  }
  const plan = planRun(settings, data);
  // Each run opens them again.
  holdData(data)();
  const { width, depth, blocks, ranks } = settings;
  if (blocks < 2) throw new ConfigError('compare', 'blocks 1; phantom needs 2 or more');
  const block = width / blocks;
  const ghosts = triedGhosts ?? [
    ...new Set([block / 16, block / 4].map((k) => Math.max(1, Math.round(k)))),
  ];
  if (grid !== null) checkGrid(grid, blocks, plan.specification.ends.kind);
  const { input, head } = settings;
  const { ends } = plan.specification;
  const baseline: Baseline = {
    width,
    depth,
    blocks,
    ranks,
    ends,
    ghosts,
    residual: plan.specification.residual ?? null,
    endChoices: { input, head },
    loss: plan.loss,
  };
  const validateEvery = settings.validateEvery ?? Math.max(1, Math.floor(plan.steps / VALIDATIONS));
  const shared: TrainingSettings = {
    ...settings,
    validateEvery,
    steps: plan.steps,
    epochs: null,
    keepCheckpoints: 1,
    // What is compared is the last.
    bestBy: null,
    checkpointEvery: null,
    logEvery: Math.min(settings.logEvery, Math.max(1, Math.floor(plan.steps / 10))),
  };
  const {
    out: _out,
    lr: _lr,
    seed: _seed,
    ghosts: _ghosts,
    layerGhosts: _layerGhosts,
    strategy: _strategy,
    ...compared
  } = shared;
  const hash = comparisonHash(grid === null ? compared : { ...compared, grid: true });
  const runs: Outcome[] = [...runsDone(folder, hash)];
  const { machine, versions } = describeMachine();
  // What the runs cannot be made with is known before there is a folder.
  await withEngine(settings.engine, settings, () => {});
  makeFolders(folder);
  let findings: object | null = null;
  let short: object | null = null;
  let tables: readonly TextTable[] = [];
  let figures: readonly Figure[] = [];
  let verdict = 'Nothing is done yet.';
  const problems: string[] = [];

  const write = () => {
    const record = {
      hash,
      settings: compared,
      budget: { ...budget, ...grid, ghosts },
      machine: { ...machine, ...versions },
    };
    writeComparison(folder, { ...record, runs, findings: short, tables });
    const about: [string, string][] = [
      [
        'data',
        `${settings.data}, ${rowsText(data.training.rows)}, ${data.validation?.rows} for validation`,
      ],
      [
        grid === null ? 'tensor network' : 'networks',
        `width ${(grid?.widths ?? [width]).join(', ')}, depth ${(grid?.depths ?? [depth]).join(', ')}, ` +
          `${plural(blocks, 'block')} on ${plural(ranks, 'rank')}, ${settings.activation}`,
      ],
      [
        'training',
        `${plan.steps} steps of ${settings.batch}, ${settings.optimizer}, ${settings.schedule} rate`,
      ],
      [
        'budget',
        `rates ${budget.rates.join(', ')}; ${plural(budget.seeds.length, 'seed')}${grid === null ? `; search of ${budget.searched}; ${budget.patience} × the steps to a loss` : ''}`,
      ],
      ['machine', `${machine['cpu']}, ${plural(cores, 'core')}; ${runs[0]?.engine ?? ''}`],
      ['runs', `${runs.length}, in ${path.join(folder, 'runs')}`],
    ];
    const html = comparisonPage({ verdict, figures, tables, about, problems });
    replaceFile(path.join(folder, 'report.html'), html);
    for (const [i, figure] of figures.entries()) {
      replaceFile(path.join(folder, `chart-${i + 1}.svg`), chartFile(figure));
    }
  };
  const cores = Number(machine['cores']);
  if (ranks > cores) {
    problems.push(`${ranks} ranks share ${cores} cores: step times include waiting for a core.`);
  }
  const folderOf = ({ contestant, rate, seed, target }: Job) => {
    const to = target === null ? '' : `-to${target}`;
    return path.join(folder, 'runs', `${contestant.name}-lr${rate}-s${seed}${to}`);
  };
  return {
    folder,
    baseline,
    runs,
    get findings() {
      return findings;
    },
    get tables() {
      return tables;
    },
    get verdict() {
      return verdict;
    },
    find: ({ contestant, rate, seed, target }) =>
      runs.find(
        (one) =>
          one.contestant === contestant.name &&
          one.rate === rate &&
          one.seed === seed &&
          one.target === target,
      ),
    settingsOf: (job) => ({
      ...shared,
      strategy: job.contestant.strategy,
      ...ghostFormWith(job.contestant.strategy, settings),
      ...endsFor(job.contestant.strategy, settings),
      width: job.contestant.width,
      depth: job.contestant.depth,
      blocks: job.contestant.blocks,
      ghosts: Math.max(1, job.contestant.ghosts),
      ranks: job.contestant.ranks,
      lr: job.rate,
      seed: job.seed,
      targetLoss: job.target,
      steps: Math.ceil(plan.steps * (job.target === null ? 1 : budget.patience)),
      out: folderOf(job),
    }),
    add(outcome) {
      runs.push(outcome);
      write();
    },
    found(next) {
      findings = next;
      short = withoutOutcomes(next);
      tables = tablesOf(next);
      figures = comparisonFigures(next);
      verdict = verdictOf(next);
      write();
    },
    frontierFound(next) {
      const { entries: _entries, ...rest } = next;
      findings = short = rest;
      tables = frontierTables(next);
      figures = frontierFigures(next);
      verdict = frontierVerdict(next);
      write();
    },
    interrupted() {
      problems.push('The comparison was interrupted: it shows what was done by then.');
      write();
    },
  };
}

function checkGrid({ widths }: Grid, blocks: number, ends: 'sharded' | 'replicated'): void {
  const odd = widths.find((width) => width % blocks !== 0);
  if (odd !== undefined) {
    throw new ConfigError('compare', `width ${odd} and ${blocks} blocks; they must divide it`);
  }
  if (ends === 'replicated' || widths.length === 1) return;
  throw new ConfigError(
    'compare',
    `widths ${widths.join(', ')}; the data, as wide as the layers, take one: use --try-widths with it`,
  );
}

function rowsText(rows: number): string {
  return Number.isFinite(rows) ? `${rows} rows` : 'endless rows';
}
