import { type Command, Option } from 'commander';
import { createConsole } from './console.js';
import { EXIT } from './failure.js';
import { formatSi, plural } from '../base/format.js';
import { requiredOption } from './option-values.js';
import { valueOption } from './setting-flags.js';
import { formatPairs } from './table.js';

const EXAMPLES = `
Formats:
  safetensors        the tensors by their names here, in one file
  safetensors-dense  the dense matrices that the layers are equal to
  pytorch-names      the same, as a PyTorch nn.Sequential names them: 0.weight, 2.weight, …
  onnx               a graph x [batch, features] → y [batch, outputs] in phantom form, with the
                     standardisation in it; y is what the network gives, before any softmax
Safetensors files state activation, loss and standardisation in their metadata.

Examples:
  $ phantom export models/small --format onnx --out small.onnx
  $ phantom export runs/seed-7 --format pytorch-names --out mlp.safetensors`;

interface Options {
  readonly format?: 'safetensors' | 'safetensors-dense' | 'pytorch-names' | 'onnx';
  readonly out?: string;
  readonly engine: 'auto' | 'blas' | 'wasm';
  readonly json?: true;
}

export function define(command: Command, done: (exitCode: number) => void): void {
  const formats = ['safetensors', 'safetensors-dense', 'pytorch-names', 'onnx'];
  command
    .argument('<model>', 'a run folder, a checkpoint in one, or a model folder')
    .addOption(new Option('--format <name>', 'what to write').choices(formats))
    .addOption(valueOption('--out <file>', 'the file to write'))
    .addOption(
      new Option('--engine <name>', 'what multiplies')
        .choices(['auto', 'blas', 'wasm'])
        .default('auto'),
    )
    .option('--json', 'one object on stdout, and nothing else')
    .addHelpText('after', EXAMPLES)
    .action(async (model: string) => {
      const { engine, json, ...given } = command.opts<Options>();
      const format = requiredOption('--format', given.format);
      const out = requiredOption('--out', given.out);
      const { exportModel } = await import('../app/convert/export-file.js');
      const report = await exportModel({ model, format, out, engine });
      const console = createConsole();
      if (json) {
        console.out(JSON.stringify({ type: 'export', ...report }));
      } else {
        const bytes = formatSi(report.bytes, 'B');
        const pairs: [string, string][] = [
          ['file', report.file],
          ['content', `${plural(report.tensors, 'tensor')}, ${bytes}, as ${report.format}`],
        ];
        for (const line of formatPairs(pairs, { width: console.width })) console.out(line);
      }
      done(EXIT.fine);
    });
}
