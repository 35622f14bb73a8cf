import type { ArraysInspection, Inspection } from '../app/inspect/inspect.js';
import { formatCount, ghostsText, formatSi, plural } from '../base/format.js';
import { exchangesGhosts } from '../layers/strategies.js';
import { SETTINGS } from '../settings/keys.js';
import { defineCommand } from './command.js';
import { createConsole } from './console.js';
import { EXIT } from './failure.js';
import { flagLike, JSON_FLAG } from './flags.js';
import { formatPairs, formatTable } from './table.js';

/** Further columns, layers and tensors are in the JSON object. */
const MOST_LINES = 200;

export const command = defineCommand({
  operands: [
    {
      name: 'what',
      about: 'data as for train, run folder, checkpoint, model folder, or file of weights',
      count: 'one',
    },
  ],
  flags: {
    target: flagLike(SETTINGS.target, {}),
    json: JSON_FLAG,
  },
  style: 'plain',
  help: (phantom) => ({
    notes: `
Of a table: what each column holds, its gaps, and what train would make of it. Of a run, a checkpoint
or a model: its layers, columns and settings. Of a file of weights: its tensors, and its layers where
names and shapes prove their order.`,
    examples: [
      `${phantom} inspect houses.csv`,
      `${phantom} inspect runs/first`,
      `${phantom} inspect model.safetensors --json | jq .tensors`,
    ],
  }),
  async run({ operands: [what = ''], flags: { target, json } }) {
    const { inspect } = await import('../app/inspect/inspect.js');
    const found = await inspect(what, { targets: target });
    const console = createConsole();
    if (json) console.out(JSON.stringify(found));
    else for (const line of await render(found, console.width)) console.out(line);
    return EXIT.fine;
  },
});

async function render(found: Inspection, width: number): Promise<string[]> {
  switch (found.type) {
    case 'table':
      return tableLines(found, width);
    case 'arrays':
      return formatPairs(arraysPairs(found), { width });
    case 'network':
      return networkLines(found, width);
    case 'weights':
      return weightsLines(found, width);
  }
}

async function tableLines(
  found: Extract<Inspection, { type: 'table' }>,
  width: number,
): Promise<string[]> {
  const { summarize } = await import('../data/tables/schema.js');
  const { valuesText } = await import('../data/tables/inspect-table.js');
  const { columns, schema, notes, warnings, problem } = found;
  const said = [
    ...(schema === null ? [] : [summarize(schema)]),
    ...notes,
    ...warnings.map((text) => `warning: ${text}`),
    ...columns.flatMap(({ name, use, why }) => (use === 'refused' ? [`${name} ${why}`] : [])),
    ...(problem === null ? [] : [problem]),
  ];
  return [
    ...formatPairs(
      [
        [
          'table',
          `${found.path}: ${plural(found.rows, 'row')}, ${plural(columns.length, 'column')}`,
        ],
        ...said.map((text): [string, string] => ['', text]),
      ],
      { width },
    ),
    '',
    ...listed(['column', 'kind', 'gaps', 'values', 'use'], columns, width, (column) => [
      column.name,
      column.kind,
      formatCount(column.gaps),
      valuesText(column),
      column.use === 'dropped' ? `dropped: ${column.why}` : column.use,
    ]),
  ];
}

function arraysPairs(found: ArraysInspection): [string, string][] {
  const { rows, validationRows, features, range, answers } = found;
  const validation = validationRows === 0 ? '' : `, ${formatCount(validationRows)} to validate on`;
  return [
    [
      'data',
      `${found.path}: ${rows === null ? 'rows without end' : plural(rows, 'row')}${validation}`,
    ],
    ['features', formatCount(features) + (range === null ? '' : `, ${range.join(' to ')}`)],
    [
      'answers',
      answers.kind === 'labels'
        ? plural(answers.classes, 'class', 'classes')
        : plural(answers.width, 'number'),
    ],
  ];
}

async function networkLines(
  found: Extract<Inspection, { type: 'network' }>,
  width: number,
): Promise<string[]> {
  const { summarize } = await import('../data/tables/schema.js');
  const { specification, schema, settings, step, layers } = found;
  const { strategy, depth, blocks, activation } = specification;
  const ghosts = exchangesGhosts(strategy) ? `, ${ghostsText(specification)}` : '';
  const at = step === null ? '' : `, step ${formatCount(step)}`;
  const network =
    `${strategy}, width ${specification.width}, depth ${depth}, ${plural(blocks, 'block')}${ghosts}, ` +
    `${activation}, ${formatSi(found.parameters)} parameters`;
  const input = found.standardized ? ', input standardized' : '';
  return [
    ...formatPairs(
      [
        [found.kind, found.path + at],
        ['network', network],
        ['answers', (schema === null ? '' : `${summarize(schema)}; `) + found.loss + input],
        ...(settings === null ? [] : settingPairs(settings)),
      ],
      { width },
    ),
    '',
    ...listed(
      ['layer', 'kind', 'outputs × inputs', 'ghosts', 'parameters'],
      layers,
      width,
      (own) => [
        own.name,
        own.kind,
        `${own.outputs} × ${own.inputs}`,
        own.ghosts === null ? '' : String(own.ghosts),
        formatCount(own.parameters),
      ],
    ),
    ...(schema === null ? [] : ['', ...(await schemaLines(schema, width))]),
  ];
}

function settingPairs(settings: object): [string, string][] {
  const text = Object.entries(settings).map(([key, value]) => `${key} ${String(value)}`);
  return [['settings', text.length === 0 ? 'the defaults' : text.join(', ')]];
}

async function schemaLines(
  { features, targets }: NonNullable<Extract<Inspection, { type: 'network' }>['schema']>,
  width: number,
): Promise<string[]> {
  const { rangeText } = await import('../data/tables/inspect-table.js');
  const rows = [
    ...features.map((column) => {
      const values =
        column.kind === 'number'
          ? rangeText([column.min, column.max])
          : column.kind === 'category'
            ? plural(column.values.length, 'value')
            : '';
      return [column.name, column.kind, values, column.gaps ? 'yes' : 'no', 'feature'];
    }),
    ...targets.map((column) => {
      const values = column.kind === 'class' ? column.classes.join(', ') : '';
      return [column.name, column.kind, values, '', 'target'];
    }),
  ];
  return listed(['column', 'kind', 'values', 'gaps', 'use'], rows, width, (row) => row);
}

function weightsLines(found: Extract<Inspection, { type: 'weights' }>, width: number): string[] {
  const { tensors, layers, problem } = found;
  const order = layers?.map(({ name, shape: [rows, columns] }) => `${name} (${rows} × ${columns})`);
  return [
    ...formatPairs(
      [
        [
          'weights',
          `${found.path}: ${plural(tensors.length, 'tensor')}, ${formatSi(found.parameters)} numbers`,
        ],
        ['layers', order?.join(', ') ?? problem ?? ''],
      ],
      { width },
    ),
    '',
    ...listed(['tensor', 'type', 'shape'], tensors, width, ({ name, dtype, shape }) => [
      name,
      dtype,
      `[${shape.join(', ')}]`,
    ]),
  ];
}

function listed<T>(
  header: readonly string[],
  all: readonly T[],
  width: number,
  cells: (one: T) => readonly string[],
): string[] {
  const lines = formatTable(header, all.slice(0, MOST_LINES).map(cells), width);
  const more = all.length - MOST_LINES;
  return more > 0 ? [...lines, `and ${formatCount(more)} more, in --json`] : lines;
}
