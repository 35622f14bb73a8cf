import type { ReblockReport } from '../app/convert/reblock-model.js';
import { commandLine } from '../base/invocation.js';
import { formatGhosts, plural } from '../base/format.js';
import type { NetworkSpecification } from '../model/specification.js';
import { SETTINGS } from '../settings/keys.js';
import { defineCommand } from './command.js';
import { createConsole, warningsTo } from './console.js';
import { choiceOf, DECOMPOSITION_FLAGS, layerTable, minimized } from './decomposition.js';
import { EXIT } from './failure.js';
import { CHECKPOINT_FLAG, flagLike, JSON_FLAG } from './flags.js';
import { formatPairs } from './table.js';

export const command = defineCommand({
  operands: [{ name: 'model', about: 'run folder, checkpoint or model folder', count: 'one' }],
  flags: {
    blocks: flagLike(SETTINGS.blocks, {
      about: 'blocks that every layer is to have; they divide its width',
      initial: null,
      required: true,
    }),
    checkpoint: { ...CHECKPOINT_FLAG, fallback: 'last' },
    ...DECOMPOSITION_FLAGS,
    out: {
      kind: 'text',
      placeholder: 'folder',
      about: 'the folder to write: a run for merged blocks of a run, else a model',
      initial: null,
      required: true,
    },
    engine: flagLike(SETTINGS.engine, {}),
    json: JSON_FLAG,
  },
  style: 'plain',
  help: (phantom) => ({
    notes: `
Fewer blocks, where they divide those of before, are neighbors merged: the network computes what it
did, to rounding, with the ghosts of all merged blocks together. A run or a checkpoint then becomes a
run that can be resumed; its optimizer's state is kept where it is defined. Weights that merging makes
begin with first moments of zero and the second moments' mean. More blocks, or fewer ghosts (--ghosts,
--energy, --budget), are a new decomposition of the same matrices, as by compress: with an error that
is reported, and without an optimizer's state. The default is then as many ghosts as before.`,
    examples: [
      `${phantom} reblock runs/first --blocks 2 --out runs/two-blocks`,
      `${phantom} reblock models/small --blocks 8 --ghosts 16 --data fashion-10k --out models/eight`,
    ],
  }),
  async run({ operands: [model = ''], flags }) {
    const { json, ghosts: _ghosts, energy: _energy, budget: _budget, ...others } = flags;
    const choice = choiceOf(flags);
    const console = createConsole();
    const { reblock } = await import('../app/convert/reblock-model.js');
    const onProgress = (what: string) => console.live(what);
    const report = await reblock({
      ...others,
      model,
      choice,
      onProgress,
      onWarning: warningsTo(console),
    });
    console.live('');
    if (json) console.out(JSON.stringify({ type: 'reblocked', ...report }));
    else for (const line of describe(report, console.width)) console.out(line);
    return EXIT.fine;
  },
});

const OPTIMIZER = {
  merged: "merged; weights that merging made begin with moments of zero and their tensor's mean",
  'left out': 'left out: a new decomposition has weights of which it knows nothing',
  none: 'none',
} as const satisfies Record<ReblockReport['optimizerState'], string>;

function describe(report: ReblockReport, width: number): string[] {
  const { out, source, kind, before, after, compression, optimizerState } = report;
  const network = (of: NetworkSpecification) =>
    `${plural(of.blocks, 'block')} of width ${of.width / of.blocks}, ${formatGhosts(of)} ghosts`;
  const method =
    compression === null
      ? 'merged: the same outputs, to rounding'
      : `decomposed (${compression.svd}), least ${minimized(compression)}`;
  const pairs: [string, string][] = [
    [kind, out],
    ['made of', source],
    ['before', network(before)],
    ['now', network(after)],
    ['how', method],
    ["optimizer's state", OPTIMIZER[optimizerState]],
  ];
  const lines = formatPairs(pairs, { width });
  if (compression !== null) lines.push('', ...layerTable(compression.layers, width));
  const next =
    kind === 'run' ? commandLine('train', '--resume', out) : commandLine('train', '--from', out);
  return [...lines, '', 'Train on:', `  ${next}`];
}
