import { EXPORT_FORMATS } from '../export/export-formats.js';
import { formatSi, plural } from '../base/format.js';
import { SETTINGS } from '../settings/keys.js';
import { defineCommand } from './command.js';
import { createConsole, warningsTo } from './console.js';
import { EXIT } from './failure.js';
import { CHECKPOINT_FLAG, JSON_FLAG, flagLike } from './flags.js';
import { formatPairs } from './table.js';

const NOTES = `
Formats:
  safetensors        the tensors under the names that they have here, in one file
  safetensors-dense  the dense matrices that the layers are equal to
  pytorch-names      the same, named as in a PyTorch nn.Sequential: 0.weight, 2.weight, …;
                     of residual blocks blocks.0.up.weight, blocks.0.down.weight, … (gated ones have
                     blocks.0.gate.weight too) between input and head
  onnx               a graph x [batch, features] → y [batch, outputs] in phantom form, with
                     standardization; y is what the network gives, before any softmax. Of a model of
                     a table it takes the columns by name (text, or float32 with NaN for gaps), and
                     gives label and probabilities for classes; --pipeline no leaves that out
Safetensors files have activation, loss and standardization in their metadata.`;

export const command = defineCommand({
  operands: [{ name: 'model', about: 'run folder, checkpoint or model folder', count: 'one' }],
  flags: {
    format: {
      kind: 'choice',
      choices: EXPORT_FORMATS,
      about: 'what to write',
      initial: null,
      required: true,
    },
    out: {
      kind: 'text',
      placeholder: 'file',
      about: 'the file to write',
      initial: null,
      required: true,
    },
    checkpoint: CHECKPOINT_FLAG,
    pipeline: {
      kind: 'choice',
      choices: ['yes', 'no'],
      about: 'whether an ONNX graph takes the columns of the table that the model was trained on',
      initial: null,
      nullable: true,
      fallback: 'yes, where there was one',
    },
    engine: flagLike(SETTINGS.engine, {}),
    json: JSON_FLAG,
  },
  style: 'plain',
  help: (phantom) => ({
    notes: NOTES,
    examples: [
      `${phantom} export models/small --format onnx --out small.onnx`,
      `${phantom} export runs/seed-7 --format pytorch-names --out mlp.safetensors`,
    ],
  }),
  async run({ operands: [model = ''], flags: { json, pipeline, ...given } }) {
    const console = createConsole();
    const { exportModel } = await import('../app/convert/export-file.js');
    const report = await exportModel({
      model,
      ...given,
      pipeline: pipeline === null ? null : pipeline === 'yes',
      onWarning: warningsTo(console),
    });
    if (json) {
      console.out(JSON.stringify({ type: 'export', ...report }));
      return EXIT.fine;
    }
    const bytes = formatSi(report.bytes, 'B');
    const pairs: [string, string][] = [
      ['model', report.source],
      ['file', report.file],
      ['content', `${plural(report.tensors, 'tensor')}, ${bytes}, as ${report.format}`],
    ];
    if (report.format === 'onnx') {
      const from = report.pipeline ? 'columns of the table by name' : 'x, encoded features';
      pairs.push(['input', from]);
    }
    for (const line of formatPairs(pairs, { width: console.width })) console.out(line);
    return EXIT.fine;
  },
});
