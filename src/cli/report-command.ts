import path from 'node:path';
import { ConfigError, PhantomError } from '../base/errors.js';
import type { RunRecord } from '../report/run-record.js';
import { defineCommand } from './command.js';
import { createConsole } from './console.js';
import { EXIT } from './failure.js';
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
      about: 'the page',
      initial: null,
      fallback: "report.html in the run's folder; of several runs, here",
    },
    tensorboard: {
      kind: 'switch',
      about: 'write event files for TensorBoard into the run folders instead of a page',
      initial: false,
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
      `${phantom} report runs/seed-7 --tensorboard && tensorboard --logdir runs`,
    ],
  }),
  run: ({ operands, flags }) => report(operands, flags),
});

interface Options {
  readonly out: string | null;
  readonly tensorboard: boolean;
  readonly json: boolean;
}

async function report(
  given: readonly string[],
  { out, tensorboard, json }: Options,
): Promise<number> {
  const console = createConsole();
  const { readRun, runFolders } = await import('../report/run-record.js');
  const folders = runFolders(given);
  const names = distinctNames(folders);
  const runs: RunRecord[] = [];
  const problems: string[] = [];
  for (const [i, folder] of folders.entries()) {
    try {
      runs.push(readRun(folder, names[i]));
    } catch (error) {
      if (!(error instanceof PhantomError)) throw error;
      problems.push(error.message);
    }
  }
  if (runs.length === 0) {
    throw new ConfigError('report', `none of these runs can be read\n${problems.join('\n')}`);
  }
  for (const problem of problems) console.err(`phantom: ${problem}`);
  const files = tensorboard ? await writeEvents(runs) : [await writePage(runs, problems, out)];
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

async function writePage(
  runs: readonly RunRecord[],
  problems: readonly string[],
  out: string | null,
): Promise<string> {
  const { runsPage } = await import('../report/runs-page.js');
  const { isSystemError, makeFolders, remedyFor, replaceFile } = await import('../base/files.js');
  const [first] = runs;
  const file =
    out ?? (runs.length === 1 && first ? path.join(first.folder, 'report.html') : 'report.html');
  try {
    makeFolders(path.dirname(file));
    replaceFile(file, runsPage(runs, problems));
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new ConfigError('report', `cannot write ${file}: ${error.message}; ${remedyFor(error)}`);
  }
  return file;
}

async function writeEvents(runs: readonly RunRecord[]): Promise<string[]> {
  const { writeEventFile } = await import('../report/tensorboard/event-file.js');
  return runs.map(writeEventFile);
}

/** Base names, and as much of the path as makes equal ones differ. */
function distinctNames(folders: readonly string[]): string[] {
  const parts = folders.map((folder) => path.resolve(folder).split(path.sep));
  for (let length = 1; length < 32; length++) {
    const names = parts.map((part) => part.slice(-length).join('/'));
    if (new Set(names).size === names.length) return names;
  }
  return [...folders];
}

function summary({ name, folder, start, end, energy, steps, validations, problems }: RunRecord) {
  const parameters = start?.parameters ?? null;
  const last = { step: steps.at(-1) ?? null, validation: validations.at(-1) ?? null };
  return { name, folder, parameters, ...last, end, energy, problems };
}
