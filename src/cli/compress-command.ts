import type { CompressionReport } from '../compression/compress.js';
import { commandLine } from '../base/invocation.js';
import { SETTINGS } from '../settings/keys.js';
import { defineCommand } from './command.js';
import { createConsole, warningsTo } from './console.js';
import { EXIT, UsageError } from './failure.js';
import {
  formatGhosts,
  formatLoss,
  formatPercent,
  formatRatio,
  formatSi,
  plural,
} from '../base/format.js';
import { CHECKPOINT_FLAG, flagLike, type FlagTable, type FlagValues, JSON_FLAG } from './flags.js';
import { choiceOf, DECOMPOSITION_FLAGS, layerTable, minimized } from './decomposition.js';
import { formatPairs, formatTable } from './table.js';

const FLAGS = {
  blocks: flagLike(SETTINGS.blocks, {
    about: 'blocks that a layer is split into; they divide its width',
    initial: null,
    required: true,
  }),
  out: {
    kind: 'text',
    placeholder: 'folder',
    about: 'the model folder to write',
    initial: null,
    required: true,
  },
  checkpoint: CHECKPOINT_FLAG,
  ...DECOMPOSITION_FLAGS,
  activation: flagLike(SETTINGS.activation, { about: 'of a safetensors file', initial: null }),
  loss: flagLike(SETTINGS.loss, { about: 'of a safetensors file' }),
  prefix: {
    kind: 'text',
    placeholder: 'text',
    nullable: true,
    about: 'take only tensors of a safetensors file whose names begin so: one network of several',
    initial: null,
  },
  layers: {
    kind: 'texts',
    placeholder: 'name,…',
    nullable: true,
    about:
      'the linear layers of a safetensors file in order, where names and shapes do not prove it',
    initial: null,
  },
  activations: {
    kind: 'texts',
    placeholder: 'name,…',
    nullable: true,
    about:
      'in place of --activation: what a safetensors file has between each linear layer and the ' +
      'next, where one follows another with no place for it',
    initial: null,
  },
  norm: flagLike(SETTINGS.norm, {
    about: 'of a safetensors file of residual blocks: what stands before them and before the head',
    initial: null,
    fallback: 'it must be given for residual blocks',
  }),
  engine: flagLike(SETTINGS.engine, {}),
  json: JSON_FLAG,
} as const satisfies FlagTable;

type Options = FlagValues<typeof FLAGS>;

export const command = defineCommand({
  operands: [
    {
      name: 'source',
      about: 'safetensors file, run folder, checkpoint or model folder',
      count: 'one',
    },
  ],
  flags: FLAGS,
  style: 'plain',
  help: (phantom) => ({
    notes: `
The source is a safetensors file with the names of a PyTorch nn.Sequential of nn.Linears or of
residual blocks as export writes them, or a run folder, checkpoint or model folder of any strategy.
Layers between the first and the last take phantom form: L is the block on the diagonal, and each
block's K ghosts come from the truncated singular value decomposition of what it sends to the
others. With --data the decomposition is weighted by the covariance of what enters each layer on up
to 8,192 training rows, and L, D and the bias are fitted to the layer's outputs there. --ghosts
sets K of every layer. --energy takes, for each layer, the fewest ghosts that keep this share of
its squared off-diagonal weights (with --data, of their outputs); --budget the most ghosts that
fit, each in the layer where it keeps most. To recover accuracy, go on training from the result:
${phantom} train --from <model>`,
    examples: [
      `${phantom} compress runs/dense --blocks 4 --ghosts 32 --out models/small --data fashion-10k`,
      `${phantom} compress mlp.safetensors --activation relu --loss cross-entropy --blocks 8 \\
      --energy 0.99 --out models/mlp`,
      `${phantom} compress autoencoder.safetensors --prefix encoder. --activation relu --loss mse \\
      --blocks 4 --ghosts 8 --out models/encoder`,
      `${phantom} compress runs/dense --blocks 4 --budget 4MB --out models/tiny --json`,
    ],
  }),
  run: ({ operands: [source = ''], flags }) => compressCommand(source, flags),
});

async function compressCommand(source: string, options: Options): Promise<number> {
  const { ghosts: _ghosts, energy: _energy, budget: _budget, json, ...others } = options;
  const choice = choiceOf(options);
  if (choice === null) {
    throw new UsageError('flags', 'give one of --ghosts, --energy and --budget; see --help');
  }
  const console = createConsole();
  const { compress } = await import('../app/convert/compress-model.js');
  const report = await compress({
    ...others,
    model: source,
    choice,
    onProgress: (what) => console.live(what),
    onWarning: warningsTo(console),
  });
  console.live('');
  if (json) console.out(JSON.stringify({ type: 'compression', ...report }));
  else for (const line of describe(report, console.width)) console.out(line);
  return EXIT.fine;
}

function describe(report: CompressionReport, width: number): string[] {
  const { model, compressedFrom, specification, svd, layers, before, after, probe } = report;
  const { blocks, depth } = specification;
  const ghosts = formatGhosts(specification);
  const size = (name: string, a: number, b: number, unit: string) => [
    name,
    formatSi(a, unit),
    formatSi(b, unit),
    formatRatio(b / a),
  ];
  const received = [before.receivedBytesPerSample, after.receivedBytesPerSample] as const;
  const lines = [
    ...formatPairs(
      [
        ['model', model],
        ['compressed from', compressedFrom],
        [
          'network',
          `phantom, width ${specification.width}, depth ${depth}, ${plural(blocks, 'block')}, ` +
            `${ghosts} ghosts`,
        ],
        ['singular values', svd],
        ['least', minimized(report)],
      ],
      { width },
    ),
    '',
    ...layerTable(layers, width),
    '',
    ...formatTable(
      ['', 'dense', 'phantom', 'ratio'],
      [
        size('parameters', before.parameters, after.parameters, ''),
        size('bytes of weights', before.bytes, after.bytes, 'B'),
        size('FLOPs per rank and sample', before.flopsPerSample, after.flopsPerSample, 'FLOP'),
        size('received per rank and sample', received[0], received[1], 'B'),
        ...(probe === null
          ? []
          : [
              ['loss', formatLoss(probe.before.loss), formatLoss(probe.after.loss), ''],
              ...(probe.before.accuracy === null
                ? []
                : [
                    [
                      'accuracy',
                      formatPercent(probe.before.accuracy),
                      formatPercent(probe.after.accuracy),
                      '',
                    ],
                  ]),
            ]),
      ],
      width,
    ),
  ];
  if (probe !== null) {
    const error = probe.outputError.toExponential(2);
    lines.push('', `outputs differ by ${error} of their size, on ${plural(probe.rows, 'row')}`);
  }
  const next = commandLine('train', '--from', model);
  return [...lines, '', 'Train on to recover what was lost:', `  ${next}`];
}
