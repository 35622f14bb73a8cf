import { closeSync, openSync } from 'node:fs';
import path from 'node:path';
import { ConfigError } from '../../base/errors.js';
import { isSystemError, writeWhole } from '../../base/files.js';
import { formatCount, plural } from '../../base/format.js';
import {
  type InspectedColumn,
  inspectTable,
  type TableInspection,
  valuesText,
} from '../../data/tables/inspect-table.js';
import { isQuery } from '../../data/tables/relation.js';
import { classNames, type TableSchema } from '../../data/tables/schema.js';
import { isTable, openDataset } from '../../data/sources.js';
import { DEFAULT_EPOCHS, resolveSettings } from '../../settings/resolve.js';
import type { TrainingSettings } from '../../settings/settings.js';

/** The data that a config is made for, and where it is written. */
export interface InitOptions {
  /** Data as for `train`. */
  readonly data: string;
  /** Columns to predict. Default: as `train` chooses. */
  readonly targets?: readonly string[] | null;
  /** The config to write, YAML. Default: the name of the data, ending in `.yaml`. */
  readonly out?: string | null;
  /** How people call the command, for the comments. Default `phantom`. */
  readonly phantom?: string;
}

/** The config that was written. */
export interface InitReport {
  readonly out: string;
  /** What was decided, and what was left out. */
  readonly notes: readonly string[];
}

/**
 * Writes a config for `train` with what is found in the data, each setting with a comment.
 *
 * @throws ConfigError when the file exists or cannot be written, DataError for data that cannot be
 *   used
 *
 * @example
 * ```ts
 * import { initConfig } from 'phantom-parallel/data';
 *
 * const { out } = await initConfig({ data: 'houses.csv', targets: ['price'] });
 * console.log(`settings are in ${out}`);
 * ```
 */
export async function initConfig({
  data,
  targets = null,
  out = null,
  phantom = 'phantom',
}: InitOptions): Promise<InitReport> {
  const file = out ?? defaultName(data);
  if (!/\.ya?ml$/i.test(file)) {
    throw new ConfigError('init', `${file}: a config that has comments ends in .yaml`);
  }
  const found = isTable(data)
    ? await tableConfig(data, targets)
    : await arraysConfig(data, targets);
  const head = [
    `Settings for ${phantom} train ${file}`,
    `All settings: ${phantom} help train. What is left out has its default.`,
  ];
  const lines = [...head.map(comment), '', ...found.lines, '', ...courseLines(found.rows)];
  create(file, `${lines.join('\n')}\n`);
  return { out: file, notes: found.notes };
}

interface Found {
  readonly rows: number;
  readonly lines: readonly string[];
  readonly notes: readonly string[];
}

function defaultName(data: string): string {
  const { name } = path.parse(isQuery(data) ? 'query' : data.replace(/\.gz$/i, ''));
  return `${name.replaceAll(/[^\w.-]+/g, '-').replaceAll(/^-+|-+$/g, '') || 'phantom'}.yaml`;
}

async function tableConfig(data: string, targets: readonly string[] | null): Promise<Found> {
  const found = await inspectTable(data, targets === null ? {} : { targets });
  const { schema, problem } = found;
  if (schema === null) {
    const [, where = 'init', what = ''] = /^\[(.*?)\] (.*)$/s.exec(problem ?? '') ?? [];
    throw new ConfigError(where, what);
  }
  const of = (use: InspectedColumn['use']) => found.columns.filter((column) => column.use === use);
  const refused = of('refused');
  const lines = [
    comment(`${plural(found.rows, 'row')}, ${plural(found.columns.length, 'column')}`),
    `data: ${scalar(data)}`,
    `target: ${list(schema.targets.map(({ name }) => name))}`,
    ...of('target').map((column) => comment(`  ${columnText(column)}`)),
    `task: ${schema.task}${taskComment(schema)}`,
    ...featureLines(of('feature')),
    ...(of('dropped').length === 0 ? [] : [comment('Left out by itself:')]),
    ...of('dropped').map(({ name, why }) => comment(`  ${name}: ${why}`)),
    ...refused.map(({ name, why }) => comment(`Left out: ${name} ${why}`)),
    refused.length === 0
      ? comment('ignore: [a, b]   # columns to leave out')
      : `ignore: ${list(refused.map(({ name }) => name))}`,
    comment('id: name         # a column to copy beside predictions'),
    validationLine(found.rows),
  ];
  return { rows: found.rows, lines, notes: notesOf(found) };
}

function notesOf({ notes, warnings, columns }: TableInspection): string[] {
  const refusals = columns.flatMap(({ name, use, why }) =>
    use === 'refused' ? [`${name} ${why}`] : [],
  );
  return [...notes, ...warnings, ...refusals.map((text) => `left out: ${text}`)];
}

function featureLines(features: readonly InspectedColumn[]): string[] {
  const most = 50;
  const shown = features.slice(0, most).map((column) => comment(`  ${columnText(column)}`));
  const more = features.length > most ? [comment(`  and ${features.length - most} more`)] : [];
  return [comment('Features:'), ...shown, ...more];
}

function columnText(column: InspectedColumn): string {
  const gaps = column.gaps === 0 ? '' : `, ${plural(column.gaps, 'gap')}`;
  return `${column.name}: ${column.kind}, ${valuesText(column)}${gaps}`;
}

function taskComment(schema: TableSchema): string {
  const classes = classNames(schema);
  return classes === null
    ? '   # fits numbers; classify takes each value as a class'
    : `   # ${plural(classes.length, 'class', 'classes')}`;
}

async function arraysConfig(data: string, targets: readonly string[] | null): Promise<Found> {
  if (targets !== null) {
    throw new ConfigError('init', `--target ${targets.join()}: ${data} has no columns with names`);
  }
  const { training, validation } = await openDataset(data);
  const { rows, features, answers } = training;
  const what =
    answers.kind === 'labels' ? `${answers.classes} classes` : plural(answers.width, 'number');
  const size = Number.isFinite(rows) ? plural(rows, 'row') : 'rows without end';
  const split = validation === null && training.kind === 'table' ? [validationLine(rows)] : [];
  const lines = [
    comment(`${size} of ${plural(features, 'feature')}, with ${what} each`),
    `data: ${scalar(data)}`,
    ...split,
  ];
  return { rows, lines, notes: [] };
}

/** A tenth of a few rows says nothing. */
function validationLine(rows: number): string {
  const line =
    'validation: 0.1   # a tenth of the rows, to see how good the network is on new ones';
  return rows < 50 ? comment(line) : line;
}

/** Steps that a first run needs at least, to show something. */
const FEW_STEPS = 1000;

function courseLines(rows: number): string[] {
  const initial: TrainingSettings = resolveSettings([]);
  const { strategy, width, depth, blocks, ghosts, optimizer, lr } = initial;
  // Small data in large batches would make few steps.
  const batch = Math.min(initial.batch, Math.max(1, 2 ** Math.floor(Math.log2(rows / 10))));
  const epochs = Math.ceil((FEW_STEPS * batch) / rows);
  const length = Number.isFinite(rows)
    ? `epochs: ${Math.min(100, Math.max(DEFAULT_EPOCHS, epochs))}`
    : `steps: ${FEW_STEPS}`;
  return [
    comment('The network: hidden layers in blocks, which exchange ghosts.'),
    `strategy: ${strategy}   # tensor is the dense network`,
    `width: ${width}   # a multiple of blocks`,
    `depth: ${depth}`,
    `blocks: ${blocks}`,
    `ghosts: ${ghosts}   # of each block; more are nearer to the dense network`,
    '',
    comment('The training.'),
    `batch: ${batch}`,
    length + (Number.isFinite(rows) ? `   # passes over the ${formatCount(rows)} rows` : ''),
    `optimizer: ${optimizer}`,
    `lr: ${lr}   # phantom networks often want two or three times that of a dense one`,
    comment('out: runs/mine   # a folder for the run; default: a new one in runs/'),
  ];
}

/** A value of another file may hold anything; a comment is one line. */
const comment = (text: string) => `# ${text.replaceAll(/\s*[\r\n]+\s*/g, ' ')}`.trimEnd();

/** JSON is YAML; what needs no quotes has none. */
function scalar(text: string): string {
  const plain =
    /^[A-Za-z_./][\w./-]*$/.test(text) && !/^(true|false|null|yes|no|on|off)$/i.test(text);
  return plain ? text : JSON.stringify(text);
}

const list = (texts: readonly string[]) => `[${texts.map(scalar).join(', ')}]`;

function create(file: string, text: string): void {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'wx');
  } catch (cause) {
    if (!isSystemError(cause)) throw cause;
    const what =
      cause.code === 'EEXIST'
        ? 'exists already, and is left as it is; --out names another file'
        : `cannot be written: ${cause.code}`;
    throw new ConfigError('init', `${file}: ${what}`, { cause });
  }
  try {
    writeWhole(descriptor, text);
  } finally {
    closeSync(descriptor);
  }
}
