import path from 'node:path';
import { ConfigError } from '../base/errors.js';
import { figuresOf, type RunData } from '../runs/run-data.js';
import type { RunRecord } from '../runs/run-record.js';
import { defineCommand } from './command.js';
import { createConsole } from './console.js';
import { EXIT, UsageError } from './failure.js';
import { JSON_FLAG } from './flags.js';

export const command = defineCommand({
  operands: [
    {
      name: 'run folder',
      about: 'what train wrote, or a folder of such folders',
      count: 'one or more',
    },
  ],
  flags: {
    out: {
      kind: 'text',
      placeholder: 'file',
      about: 'the page; with --format svg a folder',
      initial: null,
      fallback: "report.html in the run's folder; of several runs, here",
    },
    format: {
      kind: 'choice',
      choices: ['html', 'markdown', 'svg'],
      about: 'a page, a table with words for pull requests and papers, or every chart as a file',
      initial: null,
      fallback: 'html',
    },
    tensorboard: {
      kind: 'switch',
      about: 'write event files for TensorBoard into the run folders instead of a page',
      initial: false,
    },
    wandb: {
      kind: 'text',
      placeholder: 'folder',
      about: 'write the runs as offline runs of Weights & Biases instead of a page',
      initial: null,
    },
    json: JSON_FLAG,
  },
  style: 'plain',
  help: (phantom) => ({
    notes: `
The page is one file that opens from disk and needs no network. Runs that cannot be read are named
and skipped.`,
    examples: [
      `${phantom} report runs/seed-7`,
      `${phantom} report runs/tensor runs/phantom --out both.html`,
      `${phantom} report runs --json`,
      `${phantom} report runs --format markdown --out runs.md`,
      `${phantom} report runs --format svg --out charts`,
      `${phantom} report runs/seed-7 --tensorboard && tensorboard --logdir runs`,
      `${phantom} report runs --wandb wandb && wandb sync wandb/*`,
    ],
  }),
  run: ({ operands, flags }) => report(operands, flags),
});

type Format = 'html' | 'markdown' | 'svg';

interface Options {
  readonly out: string | null;
  readonly format: Format | null;
  readonly tensorboard: boolean;
  readonly wandb: string | null;
  readonly json: boolean;
}

async function report(
  given: readonly string[],
  { out, format, tensorboard, wandb, json }: Options,
): Promise<number> {
  const others = { '--tensorboard': tensorboard, '--wandb': wandb };
  const [other] = Object.entries(others).flatMap(([name, value]) => (value ? [name] : []));
  if (other !== undefined && (format !== null || out !== null)) {
    const extra = format === null ? '--out' : '--format';
    throw new UsageError('flags', `${extra} with ${other}, which writes no page; leave one out`);
  }
  const console = createConsole();
  const { readRuns } = await import('../runs/run-folders.js');
  const { runs, problems } = readRuns(given);
  if (runs.length === 0) {
    throw new ConfigError('report', `none of these runs can be read\n${problems.join('\n')}`);
  }
  for (const problem of problems) console.err(`phantom: ${problem}`);
  const files: string[] = [];
  if (tensorboard) files.push(...(await writeEvents(runs)));
  if (wandb !== null) {
    const { writeOfflineRuns } = await import('../runs/wandb/offline-run.js');
    files.push(...writeOfflineRuns(runs, wandb));
  }
  if (files.length === 0) files.push(...(await writeReport(runs, problems, format ?? 'html', out)));
  if (json) {
    console.out(JSON.stringify({ type: 'report', files, problems, runs: runs.map(summary) }));
    return EXIT.fine;
  }
  for (const { name, problems: remarks } of runs) {
    for (const remark of remarks) console.out(`${name}: ${remark}`);
  }
  for (const file of files) console.out(`wrote ${file}`);
  return EXIT.fine;
}

const ENDINGS = { html: 'report.html', markdown: 'report.md', svg: 'charts' } as const;

async function writeReport(
  runs: readonly RunRecord[],
  problems: readonly string[],
  format: Format,
  out: string | null,
): Promise<string[]> {
  const { describeRun } = await import('../runs/run-folders.js');
  const { isSystemError, makeFolders, remedyFor, replaceFile } = await import('../base/files.js');
  const data = runs.map(describeRun);
  const [first] = runs;
  const name = ENDINGS[format];
  const file = out ?? (runs.length === 1 && first ? path.join(first.folder, name) : name);
  const texts = await reportTexts(data, problems, format, file);
  try {
    for (const [place, text] of texts) {
      makeFolders(path.dirname(place));
      replaceFile(place, text);
    }
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new ConfigError('report', `cannot write ${file}: ${error.message}; ${remedyFor(error)}`);
  }
  return texts.map(([place]) => place);
}

/** What is written, and where. */
async function reportTexts(
  runs: readonly RunData[],
  problems: readonly string[],
  format: Format,
  out: string,
): Promise<[file: string, text: string][]> {
  const { initialFigures, runsMarkdown, runsPage } = await import('../report/runs-page.js');
  if (format === 'markdown') return [[out, runsMarkdown(runs, problems)]];
  if (format === 'html') {
    const { pageHtml } = await import('../report/page-html.js');
    return [[out, pageHtml(runsPage(runs, problems))]];
  }
  const { chartFile } = await import('../report/chart-file.js');
  const { fileNameOf } = await import('../report/figure.js');
  return initialFigures(runs).map((figure) => [
    path.join(out, `${fileNameOf(figure)}.svg`),
    chartFile(figure),
  ]);
}

async function writeEvents(runs: readonly RunRecord[]): Promise<string[]> {
  const { writeEventFile } = await import('../runs/tensorboard/event-file.js');
  return runs.map(writeEventFile);
}

function summary(run: RunRecord) {
  const { name, folder, end, energy, steps, validations, problems } = run;
  const last = { step: steps.at(-1) ?? null, validation: validations.at(-1) ?? null };
  return { name, folder, ...last, figures: figuresOf(run), end, energy, problems };
}
