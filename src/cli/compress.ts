import { type Command, Option } from 'commander';
import { type Activation, ACTIVATION_NAMES } from '../engines/activations.js';
import type { CompressionReport, GhostChoice } from '../compression/compress.js';
import { commandLine } from '../base/invocation.js';
import { createConsole } from './console.js';
import { EXIT, UsageError } from './failure.js';
import {
  formatGhosts,
  formatLoss,
  formatPercent,
  formatRatio,
  formatSi,
  plural,
} from '../base/format.js';
import { numberOf, requiredOption } from './option-values.js';
import { valueOption } from './setting-flags.js';
import { formatPairs, formatTable } from './table.js';

const EXAMPLES = `
The source is a safetensors file with the names of a PyTorch nn.Sequential of nn.Linears, or a run
folder, checkpoint or model folder of any strategy. Layers between the first and the last take
phantom form: L is the block on the diagonal, and each block's K ghosts come from the truncated
singular value decomposition of what it sends to the others. --ghosts is K of every layer. --energy
takes for each layer the fewest ghosts that keep this share of its squared off-diagonal weights;
--budget the most ghosts that fit, in bytes, kB, MB or GB, each in the layer where it keeps most. The
model is trained on, to recover what was lost, by: phantom train --from <model>

Examples:
  $ phantom compress runs/dense --blocks 4 --ghosts 32 --out models/small --data fashion-10k
  $ phantom compress mlp.safetensors --activation relu --loss cross-entropy --blocks 8 \\
      --energy 0.99 --out models/mlp
  $ phantom compress runs/dense --blocks 4 --budget 4MB --out models/tiny --json`;

interface Options {
  readonly blocks?: string;
  readonly ghosts?: string;
  readonly energy?: string;
  readonly budget?: string;
  readonly out?: string;
  readonly data?: string;
  readonly engine: 'auto' | 'blas' | 'wasm';
  readonly activation?: Activation;
  readonly loss?: 'mse' | 'cross-entropy';
  readonly json?: true;
}

export function define(command: Command, done: (exitCode: number) => void): void {
  command
    .argument('<source>', 'safetensors file, run folder, checkpoint or model folder')
    .addOption(valueOption('--blocks <P>', 'blocks that a layer is split into; they divide it'))
    .addOption(valueOption('--ghosts <K>', 'ghosts of each block, in all layers'))
    .addOption(
      valueOption('--energy <share>', 'or: share of the off-diagonal weights to keep, by layer'),
    )
    .addOption(valueOption('--budget <bytes>', 'or: most bytes of weights, as in 4MB'))
    .addOption(valueOption('--out <folder>', 'the model folder to write'))
    .addOption(valueOption('--data <name|path>', 'measure the output error on its first rows'))
    .addOption(new Option('--activation <name>', 'of a safetensors file').choices(ACTIVATION_NAMES))
    .addOption(
      new Option('--loss <name>', 'of a safetensors file').choices(['mse', 'cross-entropy']),
    )
    .addOption(
      new Option('--engine <name>', 'what computes')
        .choices(['auto', 'blas', 'wasm'])
        .default('auto'),
    )
    .option('--json', 'one object on stdout, and nothing else')
    .addHelpText('after', EXAMPLES)
    .action(async (source: string) => {
      done(await compressCommand(source, command.opts<Options>()));
    });
}

async function compressCommand(source: string, options: Options): Promise<number> {
  const choice = choiceOf(options);
  const blocks = numberOf('--blocks', requiredOption('--blocks', options.blocks));
  const out = requiredOption('--out', options.out);
  const console = createConsole();
  const { compress } = await import('../app/convert/compress-model.js');
  const report = await compress({
    model: source,
    blocks,
    choice,
    out,
    engine: options.engine,
    data: options.data ?? null,
    activation: options.activation ?? null,
    loss: options.loss ?? null,
    onProgress: (what) => console.live(what),
  });
  console.live('');
  if (options.json === true) console.out(JSON.stringify({ type: 'compression', ...report }));
  else for (const line of describe(report, console.width)) console.out(line);
  return EXIT.fine;
}

function choiceOf({ ghosts, energy, budget }: Options): GhostChoice {
  const given = [ghosts, energy, budget].filter((value) => value !== undefined);
  if (given.length !== 1) {
    throw new UsageError('flags', 'give one of --ghosts, --energy and --budget; see --help');
  }
  if (ghosts !== undefined) return { by: 'ghosts', ghosts: numberOf('--ghosts', ghosts) };
  if (energy !== undefined) return { by: 'energy', share: numberOf('--energy', energy) };
  return { by: 'budget', bytes: bytesOf(budget ?? '') };
}

function bytesOf(text: string): number {
  const [, digits = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*(B|kB|MB|GB)?$/.exec(text) ?? [];
  if (digits === '') {
    throw new UsageError('flags', `--budget is "${text}"; needs bytes, as in 4000000 or 4MB`);
  }
  return Number(digits) * ({ kB: 1e3, MB: 1e6, GB: 1e9 }[unit] ?? 1);
}

function describe(report: CompressionReport, width: number): string[] {
  const { model, specification, svd, layers, before, after, probe } = report;
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
        [
          'network',
          `phantom, width ${specification.width}, depth ${depth}, ${plural(blocks, 'block')}, ` +
            `${ghosts} ghosts`,
        ],
        ['singular values', svd],
      ],
      { width },
    ),
    '',
    ...formatTable(
      ['layer', 'ghosts', 'relative error'],
      layers.map(({ name, ghosts: K, relativeError }) => {
        return [name, String(K), relativeError.toExponential(2)];
      }),
      width,
    ),
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
